// local tells a worker, which already is the recipient, where to put a message
// or what to read; and a runner what to run.
//
// master starts both with a Permit on their command line
// (common/service/permit.h): what they may do, whatever local says. Descriptor
// 3 leads to local, and there is no welcome; log lines go to descriptor 4 where
// the permit says so, otherwise to syslog.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/wire.h"
#include "common/loop/loop.h"
#include "common/os/fd.h"

namespace postern::ipc {

// The parts of a recipient's address that forward_path,
// command_execution_directory and commands may use.
struct RecipientNames {
  std::string recipient;  // complete
  std::string local;      // all before the last @
  std::string user;       // without extension
  std::string extension;
  std::string delimiter;  // before the extension
  std::string domain;
  static constexpr auto wire() {
    return message("recipient.names",
                   field("recipient", &RecipientNames::recipient),
                   field("local", &RecipientNames::local),
                   field("user", &RecipientNames::user),
                   field("extension", &RecipientNames::extension),
                   field("delimiter", &RecipientNames::delimiter),
                   field("domain", &RecipientNames::domain));
  }
};

struct StoreAnswer {
  TroubleWire trouble;   // none: stored and synced
  std::string text;      // "delivered to mailbox", "delivered to maildir"
  std::int64_t offset = 0;  // mbox: where the message begins
  std::string warning;      // something that did not keep it from being stored
  static constexpr auto wire() {
    return message("store.answer", field("trouble", &StoreAnswer::trouble),
                   field("text", &StoreAnswer::text),
                   field("offset", &StoreAnswer::offset),
                   field("warning", &StoreAnswer::warning));
  }
};

struct StoreRequest {
  using Answer = StoreAnswer;
  std::string separator;  // mbox: the From_ line without line end
  std::string headers;    // Return-Path:, X-Original-To:, Delivered-To:, LF
  std::vector<std::string> locks;  // fcntl, flock, dotlock
  std::int64_t lock_attempts = 20;
  Millis lock_delay{1000};
  Millis stale_lock{500000};
  std::int64_t size_limit = 0;     // mailbox_size_limit; 0: none
  bool strict_ownership = true;    // mbox: only if the recipient owns it
  std::string required_directory;  // must exist (require_home_directory)
  // A file that an alias or a forwarding file names: mailbox rules for
  // directories of others do not hold; the permit's origin must list it.
  bool plain_file = false;
  RecipientNames names;  // to find the forwarding file that lists it
  std::int64_t content_offset = 0;
  std::int64_t content_size = 0;
  Fd message;
  static constexpr auto wire() {
    return ipc::message("store.request",
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
                   field("plain_file", &StoreRequest::plain_file),
                   field("names", &StoreRequest::names),
                   field("content_offset", &StoreRequest::content_offset),
                   field("content_size", &StoreRequest::content_size),
                   field("message", &StoreRequest::message));
  }
};

// Reads the user's forwarding file (forward_path) or the :include: file of the
// permit.
struct ListAnswer {
  TroubleWire trouble;  // an :include: file that cannot be used
  bool found = false;
  std::string path;  // which forwarding file
  std::string text;
  bool extension_used = false;  // the name of the file has the extension in it
  std::int64_t owner = -1;      // user id
  // Files that were passed over, for the log.
  std::vector<std::string> warnings;
  static constexpr auto wire() {
    return message("list.answer", field("trouble", &ListAnswer::trouble),
                   field("found", &ListAnswer::found),
                   field("path", &ListAnswer::path),
                   field("text", &ListAnswer::text),
                   field("extension_used", &ListAnswer::extension_used),
                   field("owner", &ListAnswer::owner),
                   field("warnings", &ListAnswer::warnings));
  }
};

struct ListRequest {
  using Answer = ListAnswer;
  bool include = false;  // the :include: file
  RecipientNames names;
  std::string required_directory;  // must exist (require_home_directory)
  static constexpr auto wire() {
    return message("list.request", field("include", &ListRequest::include),
                   field("names", &ListRequest::names),
                   field("required_directory",
                         &ListRequest::required_directory));
  }
};

// How a command ended.
struct RunAnswer {
  TroubleWire trouble;       // it was not started, or got no message
  std::int64_t status = 0;   // as wait(2) gives it
  bool timed_out = false;    // and was killed, with all its processes
  std::string output;        // its beginning
  static constexpr auto wire() {
    return message("run.answer", field("trouble", &RunAnswer::trouble),
                   field("status", &RunAnswer::status),
                   field("timed_out", &RunAnswer::timed_out),
                   field("output", &RunAnswer::output));
  }
};

struct RunRequest {
  using Answer = RunAnswer;
  RecipientNames names;
  // pipe: what follows the program's name.
  std::vector<std::string> arguments;
  // local: SENDER, RECIPIENT, … Others than those are refused.
  std::vector<std::pair<std::string, std::string>> environment;
  std::string headers;  // complete lines, before the content
  std::string line_end = "\n";
  bool escape_dots = false;   // "." before lines that begin with one
  bool quote_from = false;    // ">" before lines that begin "From "
  bool blank_at_end = false;
  std::int64_t content_offset = 0;
  std::int64_t content_size = 0;
  Fd message;
  // spawn: its standard input, output and error; there is no message then.
  Fd connection;
  static constexpr auto wire() {
    return ipc::message("run.request", field("names", &RunRequest::names),
                   field("arguments", &RunRequest::arguments),
                   field("environment", &RunRequest::environment),
                   field("headers", &RunRequest::headers),
                   field("line_end", &RunRequest::line_end),
                   field("escape_dots", &RunRequest::escape_dots),
                   field("quote_from", &RunRequest::quote_from),
                   field("blank_at_end", &RunRequest::blank_at_end),
                   field("content_offset", &RunRequest::content_offset),
                   field("content_size", &RunRequest::content_size),
                   field("message", &RunRequest::message),
                   field("connection", &RunRequest::connection));
  }
};

}  // namespace postern::ipc
