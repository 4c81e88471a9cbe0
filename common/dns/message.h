// A DNS answer on the wire (RFC 1035 section 4), as far as mail needs it: the
// answer section, in presentation form.
// Next: resolver.h, which gets the answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::dns {

// RFC 1035 section 3.2.2, RFC 3596, RFC 2782, RFC 6698.
enum class Type : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  tlsa = 52,
};

// "AAAA" and the like, in any case; nullopt for types not listed above.
std::optional<Type> type_from(std::string_view name);
std::string_view name_of(Type type);

struct Record {
  std::string owner;  // lower case, without the last dot; "" is the root
  Type type = Type::a;
  std::uint32_t ttl = 0;         // seconds
  std::uint16_t preference = 0;  // MX
  // Numeric address (A, AAAA); a name without the last dot (NS, CNAME, PTR,
  // MX), "" where it is the root; text of all strings joined, where what does
  // not print is a question mark (TXT); presentation form (SOA, SRV, TLSA).
  std::string value;

  // The data as a zone file would have them, but for TXT, which stands as it
  // is: "10 mx.example.org.".
  std::string presentation() const;
};

enum class Rcode : std::uint8_t {
  no_error = 0,
  server_failure = 2,
  nx_domain = 3,
};

struct Message {
  Rcode rcode = Rcode::no_error;
  // Records of the answer section whose type is known; the others are left
  // out.
  std::vector<Record> answers;
};

// nullopt when the bytes are no DNS message. Never reads outside of `bytes`.
std::optional<Message> parse_message(std::string_view bytes);

}  // namespace postern::dns
