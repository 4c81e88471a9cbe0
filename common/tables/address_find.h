// The keys to search a table for when the question is an address or its
// domain, in the order of canonical(5), virtual(5), transport(5), aliases(5)
// and access(5). Only the keys: asking is the caller's, who may have to wait
// for each answer.
#pragma once

#include "common/mail/address.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::tables {

struct Candidate {
  std::string key;
  // Part of the address only: tables without fixed keys are not asked.
  bool partial = false;
  // What the key left out, its delimiter included ("+ext"): to be added to the
  // result when propagate_unmatched_extensions says so.
  std::string extension;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// Which forms to try; the order is fixed: that of this list.
enum class Form : unsigned {
  full = 1,           // user+ext@domain
  no_extension = 2,   // user@domain
  local_part = 4,     // user+ext, user
  domain = 8,         // domain, then its parents
  at_domain = 16,     // @domain
  local_part_at = 32  // user+ext@, user@
};
constexpr unsigned operator|(Form a, Form b) {
  return static_cast<unsigned>(a) | static_cast<unsigned>(b);
}
constexpr unsigned operator|(unsigned a, Form b) {
  return a | static_cast<unsigned>(b);
}

struct AddressKeys {
  unsigned forms = Form::full | Form::no_extension | Form::at_domain;
  mail::ExtensionRules extension;
  // Parents as "domain" instead of ".domain"
  // (parent_domain_matches_subdomains).
  bool parents_without_dot = false;
};

// `address` is unquoted, as it travels in an envelope. Where the local part
// would be written with quotes, the quoted key comes first and the plain one
// after it. Without "@domain" only the forms with a local part are tried.
std::vector<Candidate> address_keys(std::string_view address,
                                    const AddressKeys& options);

// virtual(5), canonical(5), relocated(5), sender_bcc_maps …: full, without
// extension, bare when `domain_is_local`, @domain.
std::vector<Candidate> virtual_keys(std::string_view address,
                                    const mail::ExtensionRules& extension,
                                    bool domain_is_local);

// The same as a question to lookup: the keys, and where those begin that are
// parts of the address (which tables of patterns are not asked for).
struct KeyList {
  std::vector<std::string> keys;
  std::vector<std::string> extensions;  // of each key
  std::int64_t partial_from = 0;
};
KeyList virtual_key_list(std::string_view address,
                         const mail::ExtensionRules& extension,
                         bool domain_is_local);

// The addresses that an entry of canonical(5), virtual(5) or generic(5) names
// for `address`: "@domain" stands for the same user there; `complete` is given
// each; the extension is put back.
std::vector<std::string> mapped_addresses(
    std::string_view entry, const std::string& address,
    const std::string& extension,
    const std::function<std::string(const std::string&)>& complete);

// transport(5): full, without extension, the domain, its parents, "*".
std::vector<Candidate> transport_keys(std::string_view address,
                                      const mail::ExtensionRules& extension,
                                      bool parents_without_dot);

// aliases(5): the local part, then without its extension.
std::vector<Candidate> alias_keys(std::string_view local_part,
                                  const mail::ExtensionRules& extension);

// access(5), for mail addresses: full, without extension, the domain and its
// parents, user+ext@, user@.
std::vector<Candidate> access_keys(std::string_view address,
                                   const mail::ExtensionRules& extension,
                                   bool parents_without_dot);

// A domain and its parents: "a.b.c", ".b.c", ".c" or, without dot, "b.c", "c".
std::vector<Candidate> domain_keys(std::string_view domain,
                                   bool parents_without_dot);

}  // namespace postern::tables
