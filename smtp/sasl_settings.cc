#include "smtp/sasl_settings.h"

#include <fmt/format.h>

#include "smtp/settings.h"
#include "smtp/twins.h"

namespace postern::smtp {
namespace {

Result<SecurityOptions> read_options(const Twins& twins,
                                     std::string_view rest) {
  Result<SecurityOptions> parsed = parse_security_options(twins.text(rest));
  if (parsed) return parsed;
  return give_up("3.5", fmt::format("{}: {}", twins.name(rest),
                                    parsed.trouble().text));
}

void read_filter(const Twins& twins, SaslSettings& out) {
  const std::string words = twins.text("sasl_mechanism_filter");
  if (words.empty()) return;
  tables::MatchOptions options;
  options.title = twins.name("sasl_mechanism_filter");
  out.filter = std::make_shared<tables::MatchList>(
      tables::MatchList::parse(words, std::move(options)));
  out.filter->open_tables(true);
  for (const tables::Pattern& pattern : out.filter->patterns())
    if (!pattern.negated && for_tokens(pattern.text))
      out.filter_names_tokens = true;
}

}  // namespace

Status read_sasl_settings(const config::Config& config, bool lmtp,
                          Settings& settings) {
  const Twins twins(config, lmtp);
  SaslSettings& out = settings.sasl;
  out.enabled = twins.flag("sasl_auth_enable");
  out.password_maps = twins.text("sasl_password_maps");
  const std::string type = twins.text("sasl_type");
  if (out.enabled && type != "cyrus" && type != "postern")
    return give_up("3.5",
                   fmt::format("unsupported SASL client implementation: {}: "
                               "specify {} = cyrus, which stands for the "
                               "mechanisms that are built in",
                               type, twins.name("sasl_type")));
  if (out.enabled && out.password_maps.empty())
    return give_up("3.5", fmt::format("specify a password table via the "
                                      "\"{}\" configuration parameter",
                                      twins.name("sasl_password_maps")));
  for (const auto& [rest, place] :
       {std::pair<std::string_view, SecurityOptions*>{"sasl_security_options",
                                                      &out.plain},
        {"sasl_tls_security_options", &out.tls},
        {"sasl_tls_verified_security_options", &out.tls_verified}}) {
    const Result<SecurityOptions> options = read_options(twins, rest);
    if (!options) return options.trouble();
    *place = *options;
  }
  read_filter(twins, out);
  out.sender_dependent = twins.flag("sender_dependent_authentication");
  out.extension_delimiters = config.get<"recipient_delimiter">();
  out.soft_bounce = twins.flag("sasl_auth_soft_bounce");
  out.send_authzid = config.get<"send_cyrus_sasl_authzid">();
  out.remember_refusals = !twins.text("sasl_auth_cache_name").empty();
  out.remember_for = twins.time("sasl_auth_cache_time");
  return {};
}

}  // namespace postern::smtp
