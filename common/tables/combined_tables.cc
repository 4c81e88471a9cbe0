// Tables made of tables: unionmap: (the answers of all, joined) and pipemap:
// (the answer of one is the key of the next).
#include "common/tables/braces.h"
#include "common/tables/openers.h"

namespace postern::tables {
namespace {

using Parts = std::vector<std::unique_ptr<Table>>;

Trouble named(const std::string& name, const Trouble& trouble) {
  Trouble copy = trouble;
  copy.text = "table " + name + ": query error: Application error (" +
              trouble.text + ")";
  return copy;
}

class Union : public Table {
 public:
  Union(std::string name, Parts parts)
      : Table(std::move(name)), parts_(std::move(parts)) {}

 protected:
  Found look_up(std::string_view key) override {
    std::optional<std::string> all;
    for (const auto& part : parts_) {
      Found found = part->find(key);
      if (!found) return named(name(), found.trouble());
      if (!*found) continue;
      all = all ? *all + "," + **found : **found;
    }
    return all;
  }

 private:
  Parts parts_;
};

class Pipe : public Table {
 public:
  Pipe(std::string name, Parts parts)
      : Table(std::move(name)), parts_(std::move(parts)) {}

 protected:
  Found look_up(std::string_view key) override {
    std::string value(key);
    for (const auto& part : parts_) {
      Found found = part->find(value);
      if (!found) return named(name(), found.trouble());
      if (!*found) return found;
      value = std::move(**found);
    }
    return std::optional(std::move(value));
  }

 private:
  Parts parts_;
};

Result<Parts> open_parts(const Spec& spec, const OpenOptions& options) {
  const auto names = braced_list(spec.name);
  if (!names)
    return try_later("3.5", "bad syntax: \"" + spec.text() + "\"; need \"" +
                                spec.type + ":{type:name...}\"");
  OpenOptions inner = options;
  inner.default_type.clear();
  Parts parts;
  for (const std::string& name : *names) {
    Opened part = open(name, inner);
    if (!part) return part.trouble();
    parts.push_back(std::move(*part));
  }
  return parts;
}

}  // namespace

Opened open_unionmap(const Spec& spec, const OpenOptions& options) {
  Result<Parts> parts = open_parts(spec, options);
  if (!parts) return parts.trouble();
  return Opened(std::make_unique<Union>(spec.text(), std::move(*parts)));
}

Opened open_pipemap(const Spec& spec, const OpenOptions& options) {
  Result<Parts> parts = open_parts(spec, options);
  if (!parts) return parts.trouble();
  return Opened(std::make_unique<Pipe>(spec.text(), std::move(*parts)));
}

}  // namespace postern::tables
