#include "master/plan.h"

#include <catch2/catch.hpp>

#include "common/config/master_table.h"
#include "master/backoff.h"
#include "master/environment.h"
#include "master/generation.h"
#include "master/identity.h"
#include "master/programs.h"

namespace postern::master {
namespace {

std::vector<config::ServiceRow> rows_of(const std::string& text) {
  const auto table = config::MasterTable::parse(text, "master.conf");
  REQUIRE(table);
  return table->rows();
}

PlanFacts facts() {
  PlanFacts facts;
  facts.executable_exists = [](std::string_view name) {
    return role_from(name).has_value();
  };
  return facts;
}

std::vector<std::string> names(const Unit& unit) {
  std::vector<std::string> all;
  for (const config::ServiceRow& row : unit.rows) all.push_back(row.name);
  return all;
}

using Names = std::vector<std::string>;

TEST_CASE("a configuration that is too large for a message is refused",
          "[master]") {
  Generation generation;
  generation.settings = {{"myhostname", "mail.test", "main.cf", 3},
                         {"mynetworks", std::string(3'900'000, '1'), "main.cf",
                          7}};
  CHECK(check_size(generation));
  generation.settings[1].value += std::string(100'000, '1');
  const Status refused = check_size(generation);
  REQUIRE_FALSE(refused);
  CHECK(refused.trouble().text.find("the largest parameter is mynetworks "
                                    "(4000000 bytes, main.cf, line 7)") !=
        std::string::npos);
}

constexpr const char* usual =
    "smtp inet n - n - - smtpd\n"
    "587 inet n - n - 7 smtpd -o syslog_name=x/submission\n"
    "pickup unix n - n 60 1 pickup\n"
    "cleanup unix n - n - 0 cleanup\n"
    "second unix n - n - 0 cleanup\n"
    "qmgr unix n - n 300 1 qmgr\n"
    "tlsmgr unix - - n 1000? 1 tlsmgr\n"
    "rewrite unix - - n - - trivial-rewrite\n"
    "bounce unix - - n - 0 bounce\n"
    "showq unix n - n - - showq\n"
    "error unix - - n - - error\n"
    "smtp unix - - n - - smtp\n"
    "relay unix - - n - - smtp\n"
    "local unix - n n - - local\n"
    "scache unix - - n - 1 scache\n";

}  // namespace

TEST_CASE("The sessions behind a screen live where it does") {
  const std::string rows =
      "smtpd pass - - y - - smtpd\n"
      "smtp inet n - y - 1 postscreen\n"
      "dnsblog unix - - y - 0 dnsblog\n"
      "tlsproxy unix - - y - 0 tlsproxy\n";
  Plan plan = make_plan(rows_of(rows), facts());
  CHECK(plan.warnings.empty());
  const Unit* screen = plan.find("smtpd smtp/inet");
  REQUIRE(screen != nullptr);
  CHECK(names(*screen) == Names{"smtp", "smtpd"});
  CHECK(screen->most == 1);
  CHECK(plan.find("smtpd smtpd/pass") == nullptr);
  CHECK(plan.find("smtpd dnsblog/unix") == nullptr);
  // Another name, and a pass row that belongs to nobody here.
  plan = make_plan(
      rows_of(rows + "other pass - - y - - smtpd\n"
                     "26 inet n - y - 1 postscreen "
                     "-o smtpd_service_name=other\n"
                     "third pass - - y - - smtpd\n"), facts());
  REQUIRE(plan.find("smtpd 26/inet") != nullptr);
  CHECK(names(*plan.find("smtpd 26/inet")) == Names{"26", "other"});
  CHECK(plan.find("smtpd third/pass") != nullptr);
}

TEST_CASE("Rows become processes, and hosted rows live in one of them") {
  const Plan plan = make_plan(rows_of(usual), facts());
  CHECK(plan.warnings.empty());
  struct Case {
    const char* key;
    Role role;
    Names rows;
    bool at_start;
    int most;
  };
  const Case cases[] = {
      {"smtpd smtp/inet", Role::smtpd, {"smtp"}, true, 100},
      {"smtpd 587/inet", Role::smtpd, {"587"}, true, 7},
      {"cleanup cleanup/unix", Role::cleanup, {"cleanup", "pickup", "bounce"},
       true, 1},
      {"cleanup second/unix", Role::cleanup, {"second"}, true, 1},
      {"qmgr qmgr/unix", Role::qmgr, {"qmgr", "showq", "error"}, true, 1},
      {"smtp smtp/unix", Role::smtp, {"smtp"}, false, 1},
      {"smtp relay/unix", Role::smtp, {"relay"}, false, 1},
      {"local local/unix", Role::local, {"local"}, false, 1},
      {"lookup", Role::lookup, {"lookup", "rewrite"}, true, 1},
      {"authd", Role::authd, {"authd", "tlsmgr"}, false, 1},
  };
  CHECK(plan.units.size() == std::size(cases));
  for (const Case& each : cases) {
    CAPTURE(each.key);
    const Unit* unit = plan.find(each.key);
    REQUIRE(unit != nullptr);
    CHECK(unit->role == each.role);
    CHECK(names(*unit) == each.rows);
    CHECK(unit->at_start == each.at_start);
    CHECK(unit->most == each.most);
  }
}

TEST_CASE("authd starts at once where a row has its socket") {
  const Plan plan = make_plan(
      rows_of(std::string(usual) + "auth unix n - n - 1 authd\n"), facts());
  const Unit* unit = plan.find("authd");
  REQUIRE(unit != nullptr);
  CHECK(names(*unit) == Names{"authd", "tlsmgr", "auth"});
  CHECK(unit->at_start);
  CHECK(plan.serves.at("authd") == "authd");
  bool listens = false;
  for (const config::ServiceRow& row : listening_rows(plan))
    listens = listens || row.name == "auth";
  CHECK(listens);
}

TEST_CASE("Links lead to the process that serves the row") {
  const Plan plan = make_plan(rows_of(usual), facts());
  const std::pair<const char*, const char*> cases[] = {
      {"smtp", "smtp smtp/unix"},  // never to the network service of that name
      {"relay", "smtp relay/unix"},
      {"bounce", "cleanup cleanup/unix"},
      {"second", "cleanup second/unix"},
      {"error", "qmgr qmgr/unix"},
      {"rewrite", "lookup"},
      {"lookup", "lookup"},
      {"tlsmgr", "authd"},
      {"authd", "authd"},
  };
  for (const auto& [service, key] : cases) {
    CAPTURE(service);
    const auto found = plan.serves.find(service);
    REQUIRE(found != plan.serves.end());
    CHECK(found->second == key);
  }
  CHECK(plan.serves.find("587") == plan.serves.end());
  CHECK(plan.serves.find("scache") == plan.serves.end());
}

TEST_CASE("The cleanup of cleanup_service_name takes pickup and bounce") {
  PlanFacts given = facts();
  given.cleanup_service = "second";
  const Plan plan = make_plan(rows_of(usual), given);
  CHECK(names(*plan.find("cleanup second/unix")) ==
        Names{"second", "pickup", "bounce"});
}

TEST_CASE("A minimal table has lookup and nothing that it does not name") {
  const Plan plan =
      make_plan(rows_of("25 inet n - n - - smtpd\n"
                        "bounce unix - - n - 0 bounce\n"),
                facts());
  CHECK(plan.find("smtpd 25/inet") != nullptr);
  CHECK(plan.find("lookup") != nullptr);
  CHECK(plan.units.size() == 3);  // and authd, on demand
  REQUIRE(plan.warnings.size() == 1);
  CHECK(plan.warnings[0].find("master.conf, line 2: there is no cleanup") == 0);
}

TEST_CASE("A second queue manager is hosted by the first") {
  const Plan plan = make_plan(rows_of("qmgr unix n - n 300 1 qmgr\n"
                                      "old unix n - n 300 1 oqmgr\n"),
                              facts());
  CHECK(names(*plan.find("qmgr qmgr/unix")) == Names{"qmgr", "old"});
}

TEST_CASE("Programs that are not ours are told and not run") {
  PlanFacts given = facts();
  given.executable_exists = [](std::string_view name) {
    return name == "foreign" || name == "lookup";
  };
  const Plan plan = make_plan(rows_of("a unix - - n - - foreign\n"
                                      "b unix - - n - - nowhere\n"
                                      "c unix - - n - - local\n"),
                              given);
  REQUIRE(plan.units.size() == 1);
  CHECK(plan.units[0].role == Role::lookup);
  CHECK(plan.serves.find("c") == plan.serves.end());
  REQUIRE(plan.warnings.size() == 3);
  CHECK(plan.warnings[0].find("is not one of this mail system") !=
        std::string::npos);
  CHECK(plan.warnings[1].find("there is no program nowhere") !=
        std::string::npos);
  CHECK(plan.warnings[2].find("there is no program local") !=
        std::string::npos);
}

TEST_CASE("Sockets are bound for the rows that somebody connects to") {
  const Plan plan = make_plan(rows_of(usual), facts());
  Names bound;
  for (const config::ServiceRow& row : listening_rows(plan))
    bound.push_back(row.name + "/" + row.type);
  CHECK(bound == Names{"smtp/inet", "587/inet", "pickup/unix", "qmgr/unix",
                       "showq/unix"});
}

TEST_CASE("Services are disabled by the last pattern that matches") {
  const config::ServiceRow row = rows_of("smtp inet n - n - - smtpd\n").at(0);
  const std::pair<Names, bool> cases[] = {
      {{}, false},
      {{"smtp/inet"}, true},
      {{"smtp.inet"}, true},
      {{"inet"}, true},
      {{"all"}, true},
      {{"unix"}, false},
      {{"smtp/unix"}, false},
      {{"smtp"}, false},
      {{"inet", "!smtp/inet"}, false},
      {{"!smtp/inet", "inet"}, true},
  };
  for (const auto& [patterns, disabled] : cases) {
    CAPTURE(patterns);
    CHECK(is_disabled(row, patterns) == disabled);
  }
  PlanFacts given = facts();
  given.disabled = {"inet"};
  CHECK(make_plan(rows_of(usual), given).find("smtpd 587/inet") == nullptr);
}

TEST_CASE("Every program's role has a name to execute") {
  for (const Program& each : programs) {
    CAPTURE(each.name);
    CHECK(role_from(name_of(each.role)) == each.role);
    CHECK(find_program(each.name) == &each);
  }
  CHECK(find_program("bogus") == nullptr);
}

TEST_CASE("Deaths in a row double the wait; a well process starts afresh") {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  Backoff backoff;
  const milliseconds longest(3'000);
  for (const int wait : {100, 200, 400, 800, 1600, 3000, 3000}) {
    CAPTURE(wait);
    CHECK(backoff.died_after(milliseconds(5), longest) == milliseconds(wait));
  }
  CHECK(backoff.died_after(seconds(10), longest) == seconds(0));
  CHECK(backoff.died_after(seconds(0), longest) == milliseconds(100));
}

TEST_CASE("A process that never got ready waits for a second at least") {
  using std::chrono::milliseconds;
  Backoff backoff;
  for (const int wait : {1000, 2000, 4000}) {
    CAPTURE(wait);
    CHECK(backoff.died_after(milliseconds(5), std::chrono::seconds(60),
                             false) == milliseconds(wait));
  }
}

TEST_CASE("A process that dies now and then is not waited for longer and longer") {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  Backoff backoff;
  for (int i = 0; i < 3; ++i) backoff.died_after(milliseconds(5), seconds(60));
  for (const int wait : {800, 400, 200, 100, 100}) {
    CAPTURE(wait);
    CHECK(backoff.died_after(seconds(3), seconds(60)) == milliseconds(wait));
  }
}

TEST_CASE("Processes get the environment that is imported and no other") {
  const Names current = {"TZ=UTC", "LD_PRELOAD=x", "TZX=1", "PATH=/evil",
                         "MAIL_CONFIG=/elsewhere", "ASAN_OPTIONS=a=b"};
  CHECK(clean_environment({"TZ", "LANG=C", "HOME", "PATH", "MAIL_CONFIG"},
                          current, "/etc/postern") ==
        Names{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "MAIL_CONFIG=/etc/postern",
              "TZ=UTC", "LANG=C", "ASAN_OPTIONS=a=b"});
}

TEST_CASE("Log files lie below the prefixes, by whole names") {
  const Names prefixes = {"/var", "/dev/stdout"};
  const std::pair<const char*, bool> cases[] = {
      {"/var/log/mail.log", true}, {"/var", true},
      {"/variable/log", false},    {"/dev/stdout", true},
      {"/dev/stdout2", false},     {"/etc/log", false},
  };
  for (const auto& [path, below] : cases) {
    CAPTURE(path);
    CHECK(has_prefix(path, prefixes) == below);
  }
}

}  // namespace postern::master
