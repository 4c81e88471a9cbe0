// What a row's main.conf says about delivery to mailboxes, read at start-up.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "local/expand.h"
#include "common/os/mailbox_lock.h"

namespace postern::local {

struct Settings {
  std::string service;  // the row's name
  std::string myhostname;
  std::string mail_name;
  bool soft_bounce = false;
  std::string delivery_status_filter;  // tables
  std::string status_filter_name;      // the parameter
  bool original_recipient = true;  // enable_original_recipient
  bool external_addresses = true;  // info_log_address_format
  int delay_decimals = 2;
  std::int64_t most_workers = 100;  // the row's maxproc
  os::LockRules locks;
  std::int64_t size_limit = 0;
  bool strict_ownership = true;
  bool delivered_to_command = true;  // prepend_delivered_header
  bool delivered_to_file = true;
  bool delivered_to_forward = true;

  // local
  ExpandRules expand;
  std::string alias_maps;
  std::string home_mailbox;
  std::string spool;
  bool require_home = false;
  bool biff = true;
  // How long a command may run (of pipe and spawn too).
  std::chrono::milliseconds time_limit{1'000'000};

  // virtual
  std::string mailbox_maps;
  std::string mailbox_base;
  std::string uid_maps;
  std::string gid_maps;
  std::int64_t minimum_uid = 100;

  static Settings read(const config::Config& config, const std::string& service,
                       const std::string& program, std::int64_t maxproc);
};

}  // namespace postern::local
