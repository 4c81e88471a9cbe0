#include "local/settings.h"

#include <algorithm>

#include "common/base/text.h"

namespace postern::local {
namespace {

bool lists(const std::string& words, std::string_view word) {
  const std::vector<std::string> all = split_words(words);
  return std::any_of(all.begin(), all.end(), [&](const std::string& each) {
    return equal_nocase(each, word);
  });
}

std::string first_set(const config::Config& config,
                      std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (!config.text(name).empty()) return name;
  return "";
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
  rules.propagate_alias_extension =
      lists(config.get<"propagate_unmatched_extensions">(), "alias");
  rules.commands_from_alias =
      lists(config.get<"allow_mail_to_commands">(), "alias");
  rules.files_from_alias = lists(config.get<"allow_mail_to_files">(), "alias");
  rules.luser_relay = config.get<"luser_relay">();
  rules.double_bounce_sender = config.get<"double_bounce_sender">();
  rules.duplicate_filter_limit = static_cast<std::size_t>(
      std::max<std::int64_t>(config.get<"duplicate_filter_limit">(), 0));
  rules.unavailable =
      first_set(config, {"fallback_transport_maps", "fallback_transport"});
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
  settings.delivered_to_file = lists(prepend, "file");
  settings.delivered_to_forward = lists(prepend, "forward");
  settings.unavailable =
      first_set(config, {"mailbox_transport_maps", "mailbox_transport",
                         "mailbox_command_maps", "mailbox_command"});
}

void read_virtual(const config::Config& config, Settings& settings) {
  settings.expand.recipient_delimiter = config.get<"recipient_delimiter">();
  settings.expand.owner_request_special = config.get<"owner_request_special">();
  settings.expand.double_bounce_sender = config.get<"double_bounce_sender">();
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
  if (program == "virtual")
    read_virtual(config, settings);
  else
    read_local(config, settings);
  return settings;
}

std::optional<std::string> mailbox_path(const Settings& settings,
                                        const os::User& user) {
  if (!settings.home_mailbox.empty()) {
    if (!user.home.starts_with('/')) return std::nullopt;
    return user.home + "/" + settings.home_mailbox;
  }
  std::string directory = settings.spool;
  const bool maildirs = directory.ends_with('/');
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  return directory + "/" + user.name + (maildirs ? "/" : "");
}

}  // namespace postern::local
