#include "local/settings.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/service/rights.h"

namespace postern::local {
namespace {

bool lists(const std::string& words, std::string_view word) {
  const std::vector<std::string> all = split_words(words);
  return std::any_of(all.begin(), all.end(), [&](const std::string& each) {
    return equal_nocase(each, word);
  });
}

Origins origins(const std::string& words) {
  return {lists(words, "alias"), lists(words, "forward"),
          lists(words, "include")};
}

os::LockRules lock_rules(const config::Config& config, const std::string& methods) {
  os::LockRules rules;
  rules.methods = split_words(to_lower(methods));
  rules.attempts = config.get<"deliver_lock_attempts">();
  rules.delay = config.get<"deliver_lock_delay">();
  rules.stale = config.get<"stale_lock_time">();
  return rules;
}

void read_common(const config::Config& config, Settings& settings) {
  settings.myhostname = config.get<"myhostname">();
  settings.mail_name = config.get<"mail_name">();
  settings.soft_bounce = config.get<"soft_bounce">();
  settings.original_recipient = config.get<"enable_original_recipient">();
  settings.external_addresses =
      !equal_nocase(config.get<"info_log_address_format">(), "internal");
  settings.delay_decimals =
      static_cast<int>(config.get<"delay_logging_resolution_limit">());
  settings.strict_ownership = config.get<"strict_mailbox_ownership">();
}

ExpandRules expand_rules(const config::Config& config,
                         const std::string& service) {
  ExpandRules rules;
  rules.service = service;
  rules.recipient_delimiter = config.get<"recipient_delimiter">();
  rules.owner_request_special = config.get<"owner_request_special">();
  rules.expand_owner_alias = config.get<"expand_owner_alias">();
  rules.reset_owner_alias = config.get<"reset_owner_alias">();
  rules.frozen_delivered_to = config.get<"frozen_delivered_to">();
  rules.forwarding = !split_words(config.get<"forward_path">()).empty();
  rules.propagate_extension =
      origins(config.get<"propagate_unmatched_extensions">());
  rules.commands = origins(config.get<"allow_mail_to_commands">());
  rules.files = origins(config.get<"allow_mail_to_files">());
  rules.mailbox_transport = config.get<"mailbox_transport">();
  rules.mailbox_transport_maps = config.get<"mailbox_transport_maps">();
  rules.mailbox_command = config.get<"mailbox_command">();
  rules.mailbox_command_maps = config.get<"mailbox_command_maps">();
  rules.fallback_transport = config.get<"fallback_transport">();
  rules.fallback_transport_maps = config.get<"fallback_transport_maps">();
  rules.luser_relay = config.get<"luser_relay">();
  rules.double_bounce_sender = config.get<"double_bounce_sender">();
  rules.duplicate_filter_limit = static_cast<std::size_t>(
      std::max<std::int64_t>(config.get<"duplicate_filter_limit">(), 0));
  if (const Result<os::User> user = default_rights(config))
    rules.default_user = *user;
  return rules;
}

void read_local(const config::Config& config, Settings& settings) {
  settings.expand = expand_rules(config, settings.service);
  settings.alias_maps = config.get<"alias_maps">();
  settings.home_mailbox = config.get<"home_mailbox">();
  settings.spool = config.get<"mail_spool_directory">();
  settings.require_home = config.get<"require_home_directory">();
  settings.size_limit = config.get<"mailbox_size_limit">();
  settings.locks = lock_rules(config, config.get<"mailbox_delivery_lock">());
  const std::string prepend = config.get<"prepend_delivered_header">();
  settings.delivered_to_command = lists(prepend, "command");
  settings.delivered_to_file = lists(prepend, "file");
  settings.delivered_to_forward = lists(prepend, "forward");
  settings.biff = config.get<"biff">();
}

// How addresses are taken apart.
void read_extensions(const config::Config& config, Settings& settings) {
  settings.expand.recipient_delimiter = config.get<"recipient_delimiter">();
  settings.expand.owner_request_special = config.get<"owner_request_special">();
  settings.expand.double_bounce_sender = config.get<"double_bounce_sender">();
}

void read_virtual(const config::Config& config, Settings& settings) {
  settings.mailbox_maps = config.get<"virtual_mailbox_maps">();
  settings.mailbox_base = config.get<"virtual_mailbox_base">();
  settings.uid_maps = config.get<"virtual_uid_maps">();
  settings.gid_maps = config.get<"virtual_gid_maps">();
  settings.minimum_uid = config.get<"virtual_minimum_uid">();
  settings.size_limit = config.get<"virtual_mailbox_limit">();
  settings.locks = lock_rules(config, config.get<"virtual_mailbox_lock">());
}

}  // namespace

Settings Settings::read(const config::Config& config,
                        const std::string& service, const std::string& program,
                        std::int64_t maxproc) {
  Settings settings;
  settings.service = service;
  settings.most_workers =
      maxproc > 0 ? maxproc : config.number("default_process_limit", 100);
  read_common(config, settings);
  settings.time_limit = config.get<"command_time_limit">();
  if (program == "pipe" || program == "spawn")
    settings.time_limit =
        config.duration(service + "_time_limit", std::chrono::seconds(1000));
  settings.status_filter_name = program + "_delivery_status_filter";
  if (program == "local")
    settings.delivery_status_filter =
        config.get<"local_delivery_status_filter">();
  if (program == "virtual")
    settings.delivery_status_filter =
        config.get<"virtual_delivery_status_filter">();
  if (program == "pipe")
    settings.delivery_status_filter =
        config.get<"pipe_delivery_status_filter">();
  if (program == "local") read_local(config, settings);
  if (program == "virtual" || program == "pipe")
    read_extensions(config, settings);
  if (program == "virtual") read_virtual(config, settings);
  return settings;
}

}  // namespace postern::local
