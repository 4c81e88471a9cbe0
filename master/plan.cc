#include "master/plan.h"

#include "common/base/text.h"
#include "master/programs.h"

#include <algorithm>

namespace postern::master {
namespace {

bool starts_early(const Program& program) {
  switch (program.role) {
    case Role::smtpd:
    case Role::cleanup:
    case Role::qmgr:
    case Role::lookup:
    case Role::postlogd: return true;
    default: return program.listens;  // spawn
  }
}

int limit_of(const config::ServiceRow& row, Role role, int by_default) {
  if (role != Role::smtpd) return 1;
  return row.maxproc < 0 ? by_default : row.maxproc;
}

class Planner {
 public:
  explicit Planner(const PlanFacts& facts) : facts_(facts) {}

  Plan plan(const std::vector<config::ServiceRow>& rows) {
    for (const config::ServiceRow& row : rows)
      if (row.program == "postscreen" && !is_disabled(row, facts_.disabled))
        screened_.push_back(session_service(row));
    for (const config::ServiceRow& row : rows)
      if (wanted(row)) place(row);
    for (const config::ServiceRow* row : hosted_) host(*row);
    // These exist without a row as well.
    unit_without_row(Role::lookup, true);
    unit_without_row(Role::authd, false);
    drop_missing();
    return std::move(plan_);
  }

 private:
  bool wanted(const config::ServiceRow& row) {
    if (is_disabled(row, facts_.disabled)) return false;
    if (find_program(row.program) != nullptr) return true;
    const std::string where = place_of(row);
    if (facts_.executable_exists(row.program))
      warn(where + "program " + row.program +
           " is not one of this mail system and does not speak with it; the "
           "service is not started");
    else
      warn(where + "there is no program " + row.program +
           "; the service is not started");
    return false;
  }

  void place(const config::ServiceRow& row) {
    const Program& program = *find_program(row.program);
    if (program.hosting == Hosting::silent) return;
    if (program.hosting == Hosting::hosted) {
      hosted_.push_back(&row);
      return;
    }
    // Lives where the screen in front of it does.
    if (is_screened(row)) {
      hosted_.push_back(&row);
      return;
    }
    // One queue, one queue manager.
    if (program.role == Role::qmgr && first_of(Role::qmgr) != nullptr) {
      hosted_.push_back(&row);
      return;
    }
    Unit unit;
    unit.role = program.role;
    unit.service = row.name;
    unit.key = std::string(name_of(program.role)) + " " + row.name + "/" +
               row.type;
    unit.rows.push_back(row);
    unit.at_start = starts_early(program);
    unit.most = limit_of(row, program.role, facts_.default_process_limit);
    serve(row, unit);
    plan_.units.push_back(std::move(unit));
  }

  void host(const config::ServiceRow& row) {
    const Role role = find_program(row.program)->role;
    if (role == Role::lookup || role == Role::authd)
      unit_without_row(role, role == Role::lookup);
    Unit* unit = role == Role::cleanup  ? main_cleanup()
                 : is_screened(row)     ? screen_of(row)
                                        : first_of(role);
    if (unit == nullptr) {
      warn(place_of(row) + "there is no " + std::string(name_of(role)) +
           " service, which would do the work of " + row.name);
      return;
    }
    // A made-up row goes once there are real ones.
    if (unit->rows.front().origin.line == 0 && unit->service == name_of(role) &&
        row.name == unit->service)
      unit->rows.erase(unit->rows.begin());
    unit->rows.push_back(row);
    // Clients of its socket do not ask master for it.
    unit->at_start = unit->at_start || find_program(row.program)->listens;
    serve(row, *unit);
  }

  // The cleanup process that takes in maildrop and writes notices.
  Unit* main_cleanup() {
    for (Unit& unit : plan_.units)
      if (unit.role == Role::cleanup &&
          unit.service == facts_.cleanup_service)
        return &unit;
    return first_of(Role::cleanup);
  }

  // The pass row that the sessions behind a postscreen row belong to.
  std::string session_service(const config::ServiceRow& row) const {
    std::string name = facts_.smtpd_service;
    for (const auto& [parameter, value] : row.overrides)
      if (parameter == "smtpd_service_name") name = value;
    return name;
  }

  bool is_screened(const config::ServiceRow& row) const {
    return row.type == "pass" && row.program == "smtpd" &&
           std::find(screened_.begin(), screened_.end(), row.name) !=
               screened_.end();
  }

  Unit* screen_of(const config::ServiceRow& row) {
    for (Unit& unit : plan_.units)
      if (unit.rows.front().program == "postscreen" &&
          session_service(unit.rows.front()) == row.name)
        return &unit;
    return nullptr;
  }

  Unit* first_of(Role role) {
    for (Unit& unit : plan_.units)
      if (unit.role == role) return &unit;
    return nullptr;
  }

  void unit_without_row(Role role, bool at_start) {
    if (first_of(role) != nullptr) return;
    config::ServiceRow row;
    row.name = row.program = std::string(name_of(role));
    row.type = "unix";
    Unit unit;
    unit.role = role;
    unit.service = row.name;
    unit.key = row.name;
    unit.rows.push_back(row);
    unit.at_start = at_start;
    plan_.serves.try_emplace(row.name, unit.key);
    plan_.units.push_back(std::move(unit));
  }

  // "smtp inet" and "smtp unix" are two services of one name: links lead to
  // the local one, as nobody inside asks for a network service.
  void serve(const config::ServiceRow& row, const Unit& unit) {
    if (row.type == "inet" || unit.role == Role::smtpd) return;
    plan_.serves.try_emplace(row.name, unit.key);
  }

  void drop_missing() {
    std::erase_if(plan_.units, [this](const Unit& unit) {
      const std::string_view name = name_of(unit.role);
      if (facts_.executable_exists(name)) return false;
      if (unit.rows.front().origin.line != 0 || unit.role == Role::lookup)
        warn("there is no program " + std::string(name) +
             " in daemon_directory; service " + unit.service +
             " is not started");
      std::erase_if(plan_.serves, [&](const auto& entry) {
        return entry.second == unit.key;
      });
      return true;
    });
  }

  static std::string place_of(const config::ServiceRow& row) {
    return row.origin.file + ", line " + std::to_string(row.origin.line) +
           ": ";
  }
  void warn(std::string text) { plan_.warnings.push_back(std::move(text)); }

  const PlanFacts& facts_;
  Plan plan_;
  std::vector<const config::ServiceRow*> hosted_;
  std::vector<std::string> screened_;  // names of pass rows
};

}  // namespace

const Unit* Plan::find(std::string_view key) const {
  for (const Unit& unit : units)
    if (unit.key == key) return &unit;
  return nullptr;
}

Plan make_plan(const std::vector<config::ServiceRow>& rows,
               const PlanFacts& facts) {
  return Planner(facts).plan(rows);
}

std::vector<config::ServiceRow> listening_rows(const Plan& plan) {
  std::vector<config::ServiceRow> rows;
  for (const Unit& unit : plan.units)
    for (const config::ServiceRow& row : unit.rows) {
      const Program* program = find_program(row.program);
      // Rows that nobody wrote have no socket.
      if (program != nullptr && program->listens && row.origin.line != 0)
        rows.push_back(row);
    }
  return rows;
}

bool is_disabled(const config::ServiceRow& row,
                 const std::vector<std::string>& patterns) {
  bool disabled = false;
  for (std::string_view pattern : patterns) {
    const bool negated = pattern.starts_with('!');
    if (negated) pattern.remove_prefix(1);
    const bool matches = pattern == "all" || pattern == row.type ||
                         pattern == row.name + "/" + row.type ||
                         pattern == row.name + "." + row.type;
    if (matches) disabled = !negated;
  }
  return disabled;
}

}  // namespace postern::master
