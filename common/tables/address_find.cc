#include "common/tables/address_find.h"

#include "common/base/text.h"
#include "common/mail/tokens.h"

namespace postern::tables {
namespace {

class Keys {
 public:
  // The local part (quoted first, if need be) with `rest` after it.
  void add_local(std::string_view local, std::string_view rest, bool partial,
                 std::string_view extension) {
    const std::string plain(local);
    const std::string quoted = mail::quote_local_822(plain + "@");
    if (!plain.empty() && quoted != plain + "@")
      add(quoted.substr(0, quoted.size() - 1) + std::string(rest), partial,
          extension);
    add(plain + std::string(rest), partial, extension);
  }
  void add(std::string key, bool partial, std::string_view extension = "") {
    keys_.push_back({std::move(key), partial, std::string(extension)});
  }
  std::vector<Candidate> take() { return std::move(keys_); }

 private:
  std::vector<Candidate> keys_;
};

}  // namespace

std::vector<Candidate> domain_keys(std::string_view domain,
                                   bool parents_without_dot) {
  std::vector<Candidate> keys;
  if (domain.empty()) return keys;
  keys.push_back({std::string(domain), false, ""});
  // An address literal has no parents.
  if (domain.front() == '[') return keys;
  for (std::size_t dot = domain.find('.', 1); dot < domain.size();
       dot = domain.find('.', dot + 1)) {
    const std::string_view parent =
        domain.substr(dot + (parents_without_dot ? 1 : 0));
    if (!parent.empty()) keys.push_back({std::string(parent), true, ""});
  }
  return keys;
}

std::vector<Candidate> address_keys(std::string_view address,
                                    const AddressKeys& options) {
  const std::size_t at = address.rfind('@');
  const bool has_domain = at != std::string_view::npos;
  const std::string_view local = address.substr(0, at);
  const std::string_view domain =
      has_domain ? address.substr(at + 1) : std::string_view();
  const std::string_view with_at =
      has_domain ? address.substr(at) : std::string_view();
  const auto cut = mail::split_extension(local, options.extension);
  const std::string_view bare = cut ? cut->base : local;
  const std::string_view extension = local.substr(bare.size());
  const auto wants = [&](Form form) {
    return (options.forms & static_cast<unsigned>(form)) != 0;
  };

  Keys keys;
  if (wants(Form::full)) keys.add_local(local, with_at, false, "");
  if (wants(Form::no_extension) && !extension.empty())
    keys.add_local(bare, with_at, true, extension);
  if (has_domain && wants(Form::local_part)) {
    keys.add_local(local, "", true, "");
    if (!extension.empty()) keys.add_local(bare, "", true, extension);
  }
  if (has_domain && wants(Form::domain))
    for (Candidate& key : domain_keys(domain, options.parents_without_dot))
      keys.add(std::move(key.key), true);
  if (has_domain && wants(Form::at_domain))
    keys.add(std::string(with_at), true);
  if (wants(Form::local_part_at)) {
    keys.add_local(local, "@", true, "");
    if (!extension.empty()) keys.add_local(bare, "@", true, extension);
  }
  return keys.take();
}

std::vector<Candidate> virtual_keys(std::string_view address,
                                    const mail::ExtensionRules& extension,
                                    bool domain_is_local) {
  AddressKeys options;
  options.extension = extension;
  if (domain_is_local) options.forms = options.forms | Form::local_part;
  return address_keys(address, options);
}

KeyList virtual_key_list(std::string_view address,
                         const mail::ExtensionRules& extension,
                         bool domain_is_local) {
  KeyList out;
  for (Candidate& candidate :
       virtual_keys(address, extension, domain_is_local)) {
    if (!candidate.partial &&
        out.partial_from == static_cast<std::int64_t>(out.keys.size()))
      ++out.partial_from;
    out.keys.push_back(std::move(candidate.key));
    out.extensions.push_back(std::move(candidate.extension));
  }
  return out;
}

std::vector<std::string> mapped_addresses(
    std::string_view entry, const std::string& address,
    const std::string& extension,
    const std::function<std::string(const std::string&)>& complete) {
  std::vector<std::string> out;
  for (std::string& found : mail::extract_addresses(entry)) {
    if (found.starts_with('@'))
      found.insert(0, mail::split_address(address).local);
    std::string target = complete(found);
    const std::size_t at = target.rfind('@');
    target.insert(at == std::string::npos ? target.size() : at, extension);
    out.push_back(std::move(target));
  }
  return out;
}

std::vector<Candidate> transport_keys(std::string_view address,
                                      const mail::ExtensionRules& extension,
                                      bool parents_without_dot) {
  AddressKeys options;
  options.forms = Form::full | Form::no_extension | Form::domain;
  options.extension = extension;
  options.parents_without_dot = parents_without_dot;
  std::vector<Candidate> keys = address_keys(address, options);
  keys.push_back({"*", true, ""});
  return keys;
}

std::vector<Candidate> alias_keys(std::string_view local_part,
                                  const mail::ExtensionRules& extension) {
  std::vector<Candidate> keys;
  keys.push_back({std::string(local_part), false, ""});
  if (const auto cut = mail::split_extension(local_part, extension))
    keys.push_back({std::string(cut->base), true,
                    std::string(local_part.substr(cut->base.size()))});
  return keys;
}

std::vector<Candidate> access_keys(std::string_view address,
                                   const mail::ExtensionRules& extension,
                                   bool parents_without_dot) {
  AddressKeys options;
  options.forms =
      Form::full | Form::no_extension | Form::domain | Form::local_part_at;
  options.extension = extension;
  options.parents_without_dot = parents_without_dot;
  return address_keys(address, options);
}

}  // namespace postern::tables
