// How values travel between our own processes: fixed little-endian integers,
// length-prefixed text, in the order of the declaration. Peers are built from
// the same tree; a type's number on the wire is a hash of its declaration, so
// that a mixed installation is noticed at the first message
// (docs/formats/ipc.md).
//
// A message is an aggregate with
//
//   static constexpr auto wire() {
//     return ipc::message("deliver.request",
//         ipc::field("queue_id", &DeliverRequest::queue_id), …);
//   }
//
// and, where it is a question, `using Answer = …`.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/os/fd.h"

namespace postern::ipc {

template <class T, class V>
struct Field {
  const char* name;
  V T::*member;
};
template <class T, class V>
constexpr Field<T, V> field(const char* name, V T::*member) {
  return {name, member};
}

template <class... Fields>
struct Declaration {
  const char* name;
  std::tuple<Fields...> fields;
};
template <class... Fields>
constexpr Declaration<Fields...> message(const char* name, Fields... fields) {
  return {name, std::tuple<Fields...>(fields...)};
}

template <class T>
concept Declared = requires { T::wire(); };

namespace detail {

// An aggregate can be made from as many of these as it has members.
struct Anything {
  template <class T>
  operator T() const;
};
template <class T, class... Args>
constexpr std::size_t count_members() {
  if constexpr (requires { T{Args{}..., Anything{}}; })
    return count_members<T, Args..., Anything>();
  else
    return sizeof...(Args);
}

constexpr std::uint32_t hash(std::uint32_t h, const char* text) {
  for (; *text != '\0'; ++text)
    h = (h ^ static_cast<unsigned char>(*text)) * 16777619u;
  return h;
}

}  // namespace detail

// No member is forgotten in the declaration.
template <class T>
constexpr bool complete =
    std::tuple_size_v<decltype(T::wire().fields)> ==
    detail::count_members<T>();

// The number of the type on the wire.
template <Declared T>
constexpr std::uint32_t type_of() {
  static_assert(complete<T>, "a member is missing in wire()");
  std::uint32_t h = detail::hash(2166136261u, T::wire().name);
  std::apply([&](const auto&... f) { ((h = detail::hash(h, f.name)), ...); },
             T::wire().fields);
  return h;
}

class Writer {
 public:
  std::string bytes;
  std::vector<int> descriptors;  // borrowed until the frame is sent

  void put(bool v) { bytes += v ? '\1' : '\0'; }
  void put(char v) { bytes += v; }
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool> &&
             !std::is_same_v<T, char>)
  void put(T v) {
    const auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(v));
    for (int i = 0; i < 8; ++i)
      bytes += static_cast<char>(wide >> (8 * i) & 255);
  }
  template <class T>
    requires std::is_enum_v<T>
  void put(T v) {
    put(static_cast<std::int64_t>(v));
  }
  template <class R, class P>
  void put(std::chrono::duration<R, P> v) {
    put(static_cast<std::int64_t>(v.count()));
  }
  void put(const std::string& v) {
    put_length(v.size());
    bytes += v;
  }
  template <class T>
  void put(const std::vector<T>& v) {
    put_length(v.size());
    for (const T& item : v) put(item);
  }
  template <class A, class B>
  void put(const std::pair<A, B>& v) {
    put(v.first);
    put(v.second);
  }
  template <class T>
  void put(const std::optional<T>& v) {
    put(v.has_value());
    if (v) put(*v);
  }
  // A descriptor may be absent.
  void put(const Fd& v) {
    put(v.valid());
    if (v.valid()) descriptors.push_back(v.get());
  }
  template <Declared T>
  void put(const T& v) {
    std::apply([&](const auto&... f) { (put(v.*(f.member)), ...); },
               T::wire().fields);
  }

 private:
  void put_length(std::size_t n) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(n >> (8 * i) & 255);
  }
};

// Decodes what a peer sent. A malformed frame makes ok() false and leaves the
// rest of the values as they were; it never reads outside the frame.
class Reader {
 public:
  Reader(std::string_view bytes, std::deque<Fd>* descriptors)
      : left_(bytes), descriptors_(descriptors) {}

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && left_.empty(); }

  void get(bool& v) {
    const std::string_view b = take(1);
    if (!b.empty()) v = b[0] != '\0';
  }
  void get(char& v) {
    const std::string_view b = take(1);
    if (!b.empty()) v = b[0];
  }
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool> &&
             !std::is_same_v<T, char>)
  void get(T& v) {
    const std::string_view b = take(8);
    if (b.size() != 8) return;
    std::uint64_t wide = 0;
    for (std::size_t i = 0; i < 8; ++i)
      wide |= static_cast<std::uint64_t>(static_cast<unsigned char>(b[i]))
              << (8 * i);
    v = static_cast<T>(wide);
  }
  template <class T>
    requires std::is_enum_v<T>
  void get(T& v) {
    std::int64_t raw = 0;
    get(raw);
    v = static_cast<T>(raw);
  }
  template <class R, class P>
  void get(std::chrono::duration<R, P>& v) {
    std::int64_t raw = 0;
    get(raw);
    v = std::chrono::duration<R, P>(static_cast<R>(raw));
  }
  void get(std::string& v) {
    const std::size_t n = get_length();
    v = take(n);
  }
  template <class T>
  void get(std::vector<T>& v) {
    const std::size_t n = get_length();
    v.clear();
    // A length is believed only as far as bytes are there for it.
    for (std::size_t i = 0; i < n && ok_; ++i) {
      if (left_.empty()) {
        ok_ = false;
        return;
      }
      T item{};
      get(item);
      v.push_back(std::move(item));
    }
  }
  template <class A, class B>
  void get(std::pair<A, B>& v) {
    get(v.first);
    get(v.second);
  }
  template <class T>
  void get(std::optional<T>& v) {
    bool there = false;
    get(there);
    v.reset();
    if (!there || !ok_) return;
    v.emplace();
    get(*v);
  }
  void get(Fd& v) {
    bool there = false;
    get(there);
    if (!there || !ok_) return;
    if (descriptors_ == nullptr || descriptors_->empty()) {
      ok_ = false;
      return;
    }
    v = std::move(descriptors_->front());
    descriptors_->pop_front();
  }
  template <Declared T>
  void get(T& v) {
    std::apply([&](const auto&... f) { (get(v.*(f.member)), ...); },
               T::wire().fields);
  }

 private:
  std::size_t get_length() {
    const std::string_view b = take(4);
    if (b.size() != 4) return 0;
    std::size_t n = 0;
    for (std::size_t i = 0; i < 4; ++i)
      n |= static_cast<std::size_t>(static_cast<unsigned char>(b[i]))
           << (8 * i);
    return n;
  }
  std::string_view take(std::size_t n) {
    if (!ok_ || n > left_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view out = left_.substr(0, n);
    left_.remove_prefix(n);
    return out;
  }

  std::string_view left_;
  std::deque<Fd>* descriptors_;
  bool ok_ = true;
};

}  // namespace postern::ipc

// Trouble may be a member of a message.
namespace postern::ipc {

struct TroubleWire {
  bool present = false;
  bool permanent = false;
  std::string detail;
  std::string text;

  static TroubleWire from(const Trouble& t) {
    return {true, !t.temporary(), t.detail, t.text};
  }
  static TroubleWire none() { return {}; }
  Trouble trouble() const {
    return permanent ? give_up(detail, text) : try_later(detail, text);
  }
  static constexpr auto wire() {
    return message("trouble", field("present", &TroubleWire::present),
                   field("permanent", &TroubleWire::permanent),
                   field("detail", &TroubleWire::detail),
                   field("text", &TroubleWire::text));
  }
};

}  // namespace postern::ipc
