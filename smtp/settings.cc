// The parameters of a row, as Settings.
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/config/own_networks.h"
#include "smtp/settings.h"
#include "smtp/twins.h"

namespace postern::smtp {
namespace {

// Zero means the system's own limit, which is longer than any of ours.
Millis connect_limit(Millis configured) {
  return configured > Millis(0) ? configured : Millis(Seconds(600));
}

Limits read_limits(const Twins& twins, bool lmtp) {
  Limits limits;
  limits.connect = connect_limit(twins.time("connect_timeout"));
  limits.helo = twins.time(lmtp ? "lhlo_timeout" : "helo_timeout");
  limits.starttls = twins.time("starttls_timeout");
  limits.xforward = twins.time("xforward_timeout");
  limits.mail = twins.time("mail_timeout");
  limits.rcpt = twins.time("rcpt_timeout");
  limits.data_init = twins.time("data_init_timeout");
  limits.data_transfer = twins.time("data_xfer_timeout");
  limits.data_done = twins.time("data_done_timeout");
  limits.rset = twins.time("rset_timeout");
  limits.quit = twins.time("quit_timeout");
  limits.together = twins.flag("per_request_deadline");
  limits.data_rate = twins.number("min_data_rate");
  return limits;
}

ServicePorts read_ports() {
  ServicePorts ports;
  ::setservent(1);
  while (const servent* entry = ::getservent()) {
    if (std::string_view(entry->s_proto) != "tcp") continue;
    const int port = ntohs(static_cast<std::uint16_t>(entry->s_port));
    ports.emplace(entry->s_name, port);
    for (char** alias = entry->s_aliases; *alias != nullptr; ++alias)
      ports.emplace(*alias, port);
  }
  ::endservent();
  // Systems without /etc/services know these all the same.
  for (const auto& [name, port] :
       std::initializer_list<std::pair<const char*, int>>{{"smtp", 25},
                                                          {"lmtp", 24},
                                                          {"submissions", 465},
                                                          {"smtps", 465},
                                                          {"submission", 587}})
    ports.emplace(name, port);
  return ports;
}

Result<std::optional<SocketAddress>> read_bind(const std::string& parameter,
                                               const std::string& value,
                                               int family) {
  if (value.empty()) return std::optional<SocketAddress>();
  std::string address = value;
  if (address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  const Result<SocketAddress> parsed = SocketAddress::ip(address, 0);
  if (!parsed || parsed->family() != family)
    return give_up("3.5", fmt::format("{}: not an address of its protocol: {}",
                                      parameter, value));
  return std::optional<SocketAddress>(*parsed);
}

std::vector<std::string> read_own_addresses(const config::Config& config) {
  std::vector<std::string> own;
  for (const config::InterfaceAddress& one : config::chosen_addresses(
           config::interface_addresses(), config.text("inet_interfaces"),
           config.text("inet_protocols")))
    own.push_back(one.text());
  for (const std::string& one : split_words(config.text("proxy_interfaces")))
    own.push_back(one);
  return own;
}

void read_where(const config::Config& config, const Twins& twins,
                Settings& out) {
  out.relayhost = config.text("relayhost");
  out.fallback_relays = twins.list("fallback_relay");
  out.default_port = twins.text("tcp_port");
  out.ports = read_ports();
  const auto lookup = twins.list("host_lookup");
  const auto has = [&](std::string_view word) {
    return std::find(lookup.begin(), lookup.end(), word) != lookup.end();
  };
  const std::string support = twins.text("dns_support_level");
  const bool disabled = support.empty()
                            ? config.boolean("disable_dns_lookups")
                            : support == "disabled";
  out.use_dns = has("dns") && !disabled;
  out.use_dnssec = out.use_dns && support == "dnssec";
  out.use_native = has("native") || disabled;

  const std::string protocols = config.text("inet_protocols");
  const bool all = protocols.find("all") != std::string::npos;
  out.ipv4 = all || protocols.find("ipv4") != std::string::npos;
  out.ipv6 = all || protocols.find("ipv6") != std::string::npos;
  const std::string preference = twins.text("address_preference");
  if (preference == "ipv4") out.preference = AddressPreference::ipv4;
  if (preference == "ipv6") out.preference = AddressPreference::ipv6;
  out.balance_protocols = twins.flag("balance_inet_protocols");
  out.randomize = twins.flag("randomize_addresses");
  out.defer_if_no_mx_address = twins.flag("defer_if_no_mx_address_found");
  out.ignore_mx_error = config.get<"ignore_mx_lookup_error">();
  out.srv_services = split_words(to_lower(config.text("use_srv_lookup")));
  out.srv_fallback = config.get<"allow_srv_lookup_fallback">();
  out.ignore_srv_error = config.get<"ignore_srv_lookup_error">();
  out.best_mx_transport = config.text("best_mx_transport");
  out.address_limit =
      static_cast<std::size_t>(twins.number("mx_address_limit"));
  out.session_limit =
      static_cast<std::size_t>(twins.number("mx_session_limit"));
  out.own_addresses = read_own_addresses(config);
  out.bind_enforce = twins.flag("bind_address_enforce");
}

void read_manners(const Twins& twins, bool lmtp, Settings& out) {
  out.helo_name = twins.text(lmtp ? "lhlo_name" : "helo_name");
  out.always_send_ehlo = lmtp || twins.flag("always_send_ehlo");
  out.never_send_ehlo = !lmtp && twins.flag("never_send_ehlo");
  for (const std::string& word :
       twins.list(lmtp ? "discard_lhlo_keywords" : "discard_ehlo_keywords"))
    out.discard_keywords.push_back(to_lower(word));
  out.discard_keyword_maps =
      twins.text(lmtp ? "discard_lhlo_keyword_address_maps"
                      : "discard_ehlo_keyword_address_maps");
  out.send_xforward = twins.flag("send_xforward_command");
  out.quote_envelope = twins.flag("quote_rfc821_envelope");
  out.line_length_limit =
      static_cast<std::size_t>(twins.number("line_length_limit"));
  out.skip_5xx_greeting = twins.flag("skip_5xx_greeting");
  out.skip_quit_response = twins.flag("skip_quit_response");
  out.send_dummy_auth = twins.flag("send_dummy_mail_auth");
  for (const std::string& word : twins.list("pix_workarounds"))
    out.pix.names.push_back(to_lower(word));
  out.pix.maps = twins.text("pix_workaround_maps");
  out.pix.threshold = twins.time("pix_workaround_threshold_time");
  out.pix.delay = twins.time("pix_workaround_delay_time");
  out.reply_filter = twins.text("reply_filter");
  out.delivery_status_filter = twins.text("delivery_status_filter");

  out.keep_on_demand = twins.flag("connection_cache_on_demand");
  out.keep_destinations = twins.list("connection_cache_destinations");
  out.keep_idle = twins.time("connection_cache_time_limit");
  out.keep_total = twins.time("connection_reuse_time_limit");
  out.keep_uses =
      static_cast<int>(twins.number("connection_reuse_count_limit"));
}

void read_changes(const config::Config& config, const Twins& twins,
                  Settings& out) {
  const auto size = [&config](std::string_view name) {
    return static_cast<std::size_t>(config.number(name, 0));
  };
  const auto map = [&twins](std::string_view rest) {
    return CheckMap{twins.name(rest), twins.text(rest)};
  };
  out.generic.maps = twins.text("generic_maps");
  for (const std::string& name :
       split_words(config.get<"propagate_unmatched_extensions">()))
    if (equal_nocase(name, "generic")) out.generic.extend = true;
  out.generic.extension = {config.get<"recipient_delimiter">(),
                           config.get<"owner_request_special">(),
                           config.get<"double_bounce_sender">()};
  out.checks.header = map("header_checks");
  out.checks.mime = map("mime_header_checks");
  out.checks.nested = map("nested_header_checks");
  out.checks.body = map("body_checks");
  out.convert_8bit = !config.get<"disable_mime_output_conversion">();
  out.header_size_limit = size("header_size_limit");
  out.address_token_limit = size("header_address_token_limit");
  out.mime_nesting_limit = size("mime_nesting_limit");
  out.mime_boundary_limit = size("mime_boundary_length_limit");
  out.body_line_limit = size("line_length_limit");
}

// smtp_host_lookup, smtp_dns_support_level: a word that is none of theirs is
// no reason to guess.
Status check_words(const Twins& twins) {
  const std::string support = twins.text("dns_support_level");
  if (!support.empty() && support != "disabled" && support != "enabled" &&
      support != "dnssec")
    return give_up("3.5", fmt::format("invalid {} value: \"{}\": specify "
                                      "disabled, enabled or dnssec",
                                      twins.name("dns_support_level"),
                                      support));
  for (const std::string& word : twins.list("host_lookup"))
    if (word != "dns" && word != "native")
      return give_up("3.5", fmt::format("invalid {} value: \"{}\": specify dns, "
                                        "native or both",
                                        twins.name("host_lookup"), word));
  return {};
}

}  // namespace

std::optional<int> parse_port(std::string_view text,
                              const ServicePorts& ports) {
  if (const auto number = parse_number(text)) {
    if (*number < 1 || *number > 65535) return std::nullopt;
    return static_cast<int>(*number);
  }
  const auto known = ports.find(text);
  if (known == ports.end()) return std::nullopt;
  return known->second;
}

Result<Settings> read_settings(const config::Config& config, bool lmtp) {
  const Twins twins(config, lmtp);
  Settings out;
  out.lmtp = lmtp;
  out.myhostname = config.get<"myhostname">();
  out.queue_directory = config.get<"queue_directory">();
  out.limits = read_limits(twins, lmtp);
  read_where(config, twins, out);
  read_manners(twins, lmtp, out);
  read_changes(config, twins, out);
  const auto bind4 = read_bind(twins.name("bind_address"),
                               twins.text("bind_address"), AF_INET);
  const auto bind6 = read_bind(twins.name("bind_address6"),
                               twins.text("bind_address6"), AF_INET6);
  if (!bind4) return bind4.trouble();
  if (!bind6) return bind6.trouble();
  out.bind4 = *bind4;
  out.bind6 = *bind6;
  if (!parse_port(out.default_port, out.ports))
    return give_up("3.5",
                   fmt::format("{}: unknown service or port: {}",
                               twins.name("tcp_port"), out.default_port));
  const Status words = check_words(twins);
  if (!words) return words.trouble();
  const Status tls = read_tls_settings(config, lmtp, out);
  if (!tls) return tls.trouble();
  const Status sasl = read_sasl_settings(config, lmtp, out);
  if (!sasl) return sasl.trouble();
  out.soft_bounce = config.get<"soft_bounce">();
  out.assume_final = lmtp && twins.flag("assume_final");
  out.verify_by_data = twins.text("address_verify_target") == "data";
  out.delay_decimals =
      static_cast<int>(config.get<"delay_logging_resolution_limit">());
  out.external_addresses =
      !equal_nocase(config.get<"info_log_address_format">(), "internal");
  return out;
}

}  // namespace postern::smtp
