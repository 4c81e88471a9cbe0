#include "local/names.h"

#include <utility>

#include "common/base/text.h"
#include "common/config/expand.h"

namespace postern::local {
namespace {

class Values : public config::Names {
 public:
  Values(const NameValues& values, const std::optional<std::string>& filter)
      : values_(values), filter_(filter) {}

  std::optional<std::string> find(std::string_view name) const override {
    const ipc::RecipientNames& of = values_.recipient;
    if (name == "extension") extension_used = true;
    const std::pair<std::string_view, const std::string*> known[] = {
        {"recipient", &of.recipient},       {"local", &of.local},
        {"user", &of.user},                 {"extension", &of.extension},
        {"recipient_delimiter", &of.delimiter}, {"domain", &of.domain},
        {"home", &values_.home},            {"shell", &values_.shell},
    };
    for (const auto& [each, value] : known) {
      if (name != each || value->empty()) continue;
      std::string text = filter_ ? filtered(*value, *filter_) : *value;
      // What comes back is expanded once more.
      return replace_all(std::move(text), "$", "$$");
    }
    return std::nullopt;
  }
  void undefined(std::string_view) const override { complete = false; }

  mutable bool complete = true;
  mutable bool extension_used = false;

 private:
  const NameValues& values_;
  const std::optional<std::string>& filter_;
};

}  // namespace

Result<Expanded> expand_names(const std::string& text, const NameValues& values,
                              const std::optional<std::string>& filter) {
  const Values names(values, filter);
  Result<std::string> expanded = config::expand(text, names);
  if (!expanded) return expanded.trouble();
  return Expanded{std::move(*expanded), names.complete, names.extension_used};
}

std::string filtered(std::string value, const std::string& filter) {
  for (char& c : value)
    if (filter.find(c) == std::string::npos) c = '_';
  return value;
}

}  // namespace postern::local
