#include "common/tables/table.h"

#include "common/base/text.h"
#include "common/mail/address.h"
#include "common/tables/openers.h"

namespace postern::tables {
namespace {

Opened open_kind(const Spec& spec, const OpenOptions& options) {
  switch (spec.kind) {
    case Kind::indexed:
      return open_indexed(spec, options);
    case Kind::lmdb:
      return open_lmdb(spec, options);
    case Kind::cdb:
      return open_cdb(spec, options);
    case Kind::texthash:
      return open_followed(spec, options, open_texthash);
    case Kind::inlined:
      return open_inline(spec, options);
    case Kind::constant:
      return open_static(spec, options);
    case Kind::regexp:
      return open_followed(spec, options, open_regexp);
    case Kind::pcre:
      return open_followed(spec, options, open_pcre);
    case Kind::cidr:
      return open_followed(spec, options, open_cidr);
    case Kind::system:
      return open_unix(spec, options);
    case Kind::variables:
      return open_environ(spec, options);
    case Kind::unionmap:
      return open_unionmap(spec, options);
    case Kind::pipemap:
      return open_pipemap(spec, options);
    case Kind::randmap:
      return open_randmap(spec, options);
    case Kind::fail:
      return open_fail(spec, options);
    case Kind::socketmap:
    case Kind::tcp:
    case Kind::sqlite:
    case Kind::mysql:
    case Kind::pgsql:
    case Kind::ldap:
    case Kind::memcache:
    case Kind::nis:
      break;
  }
  if (options.other) return options.other(spec, options);
  return try_later("3.5", "unsupported dictionary type: " + spec.type);
}

// Stands for a table that did not open.
class Unavailable : public Table {
 public:
  Unavailable(std::string name, Trouble trouble)
      : Table(std::move(name)), trouble_(std::move(trouble)) {}

 protected:
  Found look_up(std::string_view) override { return trouble_; }

 private:
  Trouble trouble_;
};

}  // namespace

Status Table::put(std::string_view, std::string_view) {
  return give_up("3.5", "table " + name_ + ": update operation is not supported");
}

Result<bool> Table::remove(std::string_view) {
  return give_up("3.5", "table " + name_ + ": delete operation is not supported");
}

Found Table::find(std::string_view key) {
  if (utf8_ && !all_ascii(key) && !valid_utf8(key)) {
    warn(name_ + ": non-UTF-8 key \"" + printable(key) +
         "\": malformed UTF-8 or invalid codepoint");
    return std::optional<std::string>();
  }
  const std::string folded =
      fold_ && fixed_keys_ ? mail::fold_key(key) : std::string(key);
  Found found = look_up(folded);
  if (found && *found && utf8_ && !valid_utf8(**found)) {
    warn(name_ + ": key " + printable_utf8(key) + ": non-UTF-8 value \"" +
         printable(**found) + "\": malformed UTF-8 or invalid codepoint");
    return try_later("3.0", name_ + ": a value that is not UTF-8");
  }
  return found;
}

Status Table::for_each(const Visit&) {
  return try_later("3.5",
                   "table " + name_ + ": sequence operation is not supported");
}

Result<std::unique_ptr<Table>> open(const Spec& spec,
                                    const OpenOptions& options) {
  if (spec.proxied && options.approve) {
    const Status approved = options.approve(spec);
    if (!approved.ok()) return approved.trouble();
  }
  Opened opened = open_kind(spec, options);
  if (!opened) return opened;
  Table& table = **opened;
  table.fixed_keys_ = fixed_keys(spec);
  table.fold_ = options.fold;
  table.utf8_ = options.utf8;
  table.warn_ = options.warn;
  return opened;
}

Result<std::unique_ptr<Table>> open(std::string_view text,
                                    const OpenOptions& options) {
  Result<Spec> spec = parse_spec(text, options.default_type);
  if (!spec) return spec.trouble();
  return open(*spec, options);
}

std::unique_ptr<Table> open_or_unavailable(std::string_view text,
                                           const OpenOptions& options) {
  Opened opened = open(text, options);
  if (opened) return std::move(*opened);
  if (options.warn)
    options.warn(std::string(text) + " is unavailable. " +
                 opened.trouble().text);
  return std::make_unique<Unavailable>(std::string(text), opened.trouble());
}

}  // namespace postern::tables
