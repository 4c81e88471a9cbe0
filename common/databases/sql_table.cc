#include "common/databases/sql_table.h"

#include "common/base/text.h"

namespace postern::databases {

void SqlTable::read_plan(Settings& settings,
                         const tables::OpenOptions& options, bool functions) {
  const auto has = [&](std::string_view name) {
    return !settings.text(name, "").empty();
  };
  std::string_view name = "query";
  std::string text = settings.text("query", "");
  // The old interface is read in any case: its names are no mistakes.
  const std::string function =
      functions ? settings.text("select_function", "") : "";
  const std::string more = settings.text("additional_conditions", "");
  const bool old = has("select_field") || has("table") || has("where_field");
  if (text.empty() && !function.empty()) {
    name = "select_function";
    text = "SELECT " + function + "('%s')";
  } else if (text.empty() && old) {
    name = "select_field";
    text = "SELECT " + settings.text("select_field", "", 1) + " FROM " +
           settings.text("table", "", 1) + " WHERE " +
           settings.text("where_field", "", 1) + " = '%s' " + more;
  } else if (text.empty()) {
    settings.refuse("query", "bad string length 0 < 1: query = ");
  }
  read_template(settings, name, text, "query", query_);
  plan_.read(settings, options);
}

Trouble SqlTable::query_error(const std::string& why) const {
  return try_later("3.0", "table " + name() + ": query error: " + why);
}

tables::Found SqlTable::look_up(std::string_view key) {
  const Parts parts(key);
  const Result<bool> concerned = plan_.concerns(parts);
  if (!concerned) return concerned.trouble();
  if (!*concerned || !query_.fits_as_query(parts))
    return std::optional<std::string>();
  const Result<Values> values = select(parts);
  if (!values) return values.trouble();
  Answer answer(plan_, parts);
  for (const std::string& value : *values)
    if (!answer.add(value)) break;
  return answer.found(name());
}

void ServerTable::read_servers(Settings& settings, bool uris) {
  std::string hosts = settings.text("hosts", "localhost");
  if (trim(hosts).empty()) hosts = "localhost";
  servers_ = parse_servers(hosts, uris);
  using std::chrono::seconds;
  retry_interval_ = seconds(settings.number("retry_interval", 60, 1));
  idle_interval_ = seconds(settings.number("idle_interval", 60, 1));
  timeout_ = seconds(settings.number("timeout", 10, 1, 3600));
}

bool ServerTable::reach(const Server& server) {
  const Status made = connect(server);
  if (made.ok()) {
    connected_ = server;
    health_->well(server.text);
    return true;
  }
  disconnect();
  connected_.reset();
  health_->failed(server.text, Clock::now());
  last_failure_ = "connect to " + kind_ + " server " + server.text + ": " +
                  made.trouble().text;
  warn(last_failure_);
  return false;
}

// Over the connection that is there; nullopt: there is none, or it was lost
// while it lay idle, which says nothing about the server.
std::optional<ServerTable::Outcome> ServerTable::ask_again(const Parts& key) {
  if (!connected_) return std::nullopt;
  const Server server = *connected_;
  const Clock::time_point now = Clock::now();
  const bool fresh = now - used_ < idle_interval_;
  used_ = now;
  if (fresh) {
    Outcome outcome = ask(key);
    if (outcome.is != Outcome::Is::lost) return outcome;
  }
  disconnect();
  connected_.reset();
  if (!reach(server)) return std::nullopt;
  Outcome outcome = ask(key);
  if (outcome.is != Outcome::Is::lost) return outcome;
  disconnect();
  connected_.reset();
  health_->failed(server.text, now);
  last_failure_ = kind_ + " query failed: " + server.text + ": " + outcome.why;
  warn(last_failure_);
  return std::nullopt;
}

Result<Values> ServerTable::select(const Parts& key) {
  std::optional<Outcome> outcome = ask_again(key);
  if (!outcome) {
    for (const Server& server : order_of_trial(
             servers_, *health_, retry_interval_, Clock::now())) {
      if (!reach(server)) continue;
      used_ = Clock::now();
      outcome = ask(key);
      if (outcome->is == Outcome::Is::answered) break;
      last_failure_ =
          kind_ + " query failed: " + server.text + ": " + outcome->why;
      warn(last_failure_);
      disconnect();
      connected_.reset();
      if (outcome->is == Outcome::Is::lost) {
        health_->failed(server.text, Clock::now());
        outcome.reset();
      }
    }
  } else if (outcome->is == Outcome::Is::refused) {
    last_failure_ = kind_ + " query failed: " + outcome->why;
    warn(last_failure_);
  }
  if (outcome && outcome->is == Outcome::Is::answered)
    return std::move(outcome->values);
  return query_error(last_failure_.empty()
                         ? "no " + kind_ + " server of " +
                               std::to_string(servers_.size()) +
                               " can be reached"
                         : last_failure_);
}

}  // namespace postern::databases
