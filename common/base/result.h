// Failure has a type, and the type says whether to try again.
//
// Trouble is a failure on its way to becoming an SMTP reply, a log line or a
// delivery status notification; Result<T> is a value or the trouble met while
// getting it. Hangup, the one exception of this code base, is in
// common/loop/stream.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace postern {

// Will it pass? (RFC 3463 section 3.1, the class digit)
enum class Lasting : char { temporary = '4', permanent = '5' };

// `detail` is subject and detail of the enhanced status code, such as "1.2"
// in 5.1.2 (RFC 3463). `text` is one line for people, without line end.
struct [[nodiscard]] Trouble {
  Lasting lasting = Lasting::temporary;
  std::string detail = "0.0";
  std::string text;

  // "4.3.0" and the like.
  std::string status() const {
    return std::string(1, static_cast<char>(lasting)) + "." + detail;
  }
  bool temporary() const { return lasting == Lasting::temporary; }
};

inline Trouble try_later(std::string_view detail, std::string text) {
  return {Lasting::temporary, std::string(detail), std::move(text)};
}
inline Trouble give_up(std::string_view detail, std::string text) {
  return {Lasting::permanent, std::string(detail), std::move(text)};
}

// A value, or the trouble met while getting it. Never both, never neither.
// Asking for the one that is not there is a bug and ends the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Trouble trouble) : state_(std::in_place_index<1>, std::move(trouble)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Trouble& trouble() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Trouble> state_;
};

// Success without a value, or trouble.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Trouble trouble) : trouble_(std::move(trouble)) {}

  bool ok() const { return !trouble_; }
  explicit operator bool() const { return ok(); }
  const Trouble& trouble() const { return *trouble_; }

 private:
  std::optional<Trouble> trouble_;
};

}  // namespace postern
