// local tells a worker, which already is the recipient, where to put a
// message.
//
// master runs it as `worker -d DIRECTORY -t TAG -f FACILITY [-l] [-g]`: descriptor
// 3 leads to local, and there is no welcome; it may write below DIRECTORY alone;
// log lines carry TAG and go to descriptor 4 with -l, otherwise to syslog; -g:
// allow_degraded_isolation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"
#include "common/loop/loop.h"
#include "common/os/fd.h"

namespace postern::ipc {

struct StoreAnswer {
  TroubleWire trouble;   // none: stored and synced
  std::string text;      // "delivered to mailbox", "delivered to maildir"
  static constexpr auto wire() {
    return message("store.answer", field("trouble", &StoreAnswer::trouble),
                   field("text", &StoreAnswer::text));
  }
};

struct StoreRequest {
  using Answer = StoreAnswer;
  std::string format;     // "mbox" or "maildir"
  std::string path;       // absolute
  std::string separator;  // mbox: the From_ line without line end
  std::string headers;    // Return-Path:, X-Original-To:, Delivered-To:, LF
  std::vector<std::string> locks;  // fcntl, flock, dotlock
  std::int64_t lock_attempts = 20;
  Millis lock_delay{1000};
  Millis stale_lock{500000};
  std::int64_t size_limit = 0;     // mailbox_size_limit; 0: none
  bool strict_ownership = true;    // mbox: only if the recipient owns it
  std::string required_directory;  // must exist (require_home_directory)
  std::int64_t content_offset = 0;
  std::int64_t content_size = 0;
  Fd message;
  static constexpr auto wire() {
    return ipc::message("store.request", field("format", &StoreRequest::format),
                   field("path", &StoreRequest::path),
                   field("separator", &StoreRequest::separator),
                   field("headers", &StoreRequest::headers),
                   field("locks", &StoreRequest::locks),
                   field("lock_attempts", &StoreRequest::lock_attempts),
                   field("lock_delay", &StoreRequest::lock_delay),
                   field("stale_lock", &StoreRequest::stale_lock),
                   field("size_limit", &StoreRequest::size_limit),
                   field("strict_ownership", &StoreRequest::strict_ownership),
                   field("required_directory",
                         &StoreRequest::required_directory),
                   field("content_offset", &StoreRequest::content_offset),
                   field("content_size", &StoreRequest::content_size),
                   field("message", &StoreRequest::message));
  }
};

}  // namespace postern::ipc
