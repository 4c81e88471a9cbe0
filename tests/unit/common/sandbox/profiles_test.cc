#include "common/sandbox/profiles.h"

#include <seccomp.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "common/os/files.h"
#include "common/sandbox/print.h"

using namespace postern;
using namespace postern::sandbox;

TEST_CASE("Every role has one profile that says why") {
  CHECK(profiles().size() == role_names.size());
  for (const std::string_view name : role_names) {
    CAPTURE(name);
    const std::optional<Role> role = role_from(name);
    REQUIRE(role);
    const Profile& row = profile(*role);
    CHECK(row.role == *role);
    CHECK(std::string(row.because).size() > 20);
    CHECK(std::string(row.sockets).size() > 0);
    CHECK_FALSE(row.grants.empty());
  }
}

TEST_CASE("Only master keeps capabilities") {
  for (const Profile& row : profiles()) {
    CAPTURE(name_of(row.role));
    CHECK(row.capabilities.empty() == (row.role != Role::master));
    CHECK((row.user == UserClass::root) == (row.role == Role::master));
    CHECK(row.confined() ==
          (row.role != Role::master && row.role != Role::tool));
  }
}

TEST_CASE("Who speaks with strangers sees no file and loads no code") {
  for (const Role role : {Role::smtpd, Role::smtp}) {
    const Profile& row = profile(role);
    CHECK(row.files.empty());
    CHECK_FALSE(row.has(Grant::files_read));
    CHECK_FALSE(row.has(Grant::files_write));
    CHECK_FALSE(row.has(Grant::name_service));
  }
  CHECK_FALSE(profile(Role::smtpd).has(Grant::connect_stream));
}

TEST_CASE("File grants and file views come together") {
  for (const Profile& row : profiles()) {
    if (!row.confined()) continue;
    CAPTURE(name_of(row.role));
    bool writes = false;
    for (const FileRight& right : row.files)
      writes = writes || right.write || right.create;
    CHECK(row.has(Grant::files_read) == !row.files.empty());
    CHECK(row.has(Grant::files_write) == writes);
  }
}

TEST_CASE("The library knows every system call of the vocabulary") {
  // Known somewhere: negative numbers are calls of other architectures.
  for (const Word& each : vocabulary())
    for (const Call& call : each.calls) {
      CAPTURE(each.name, call.name);
      CHECK(seccomp_syscall_resolve_name(call.name) != __NR_SCMP_ERROR);
    }
  for (const char* name : deadly_calls()) {
    CAPTURE(name);
    CHECK(seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR);
  }
}

TEST_CASE("No word of the vocabulary grants a deadly call") {
  std::set<std::string> deadly(deadly_calls().begin(), deadly_calls().end());
  for (const Word& each : vocabulary())
    for (const Call& call : each.calls) CHECK(deadly.count(call.name) == 0);
}

TEST_CASE("Views resolve to the caller's places") {
  Places places;
  places.queue = {"/q/incoming", "/q/active"};
  places.data = "/d";
  places.secrets = {"/k/key.pem"};
  places.mailbox = {"/home/u/Maildir"};
  places.forward = {"/home/u/.forward"};
  CHECK(resolve(Role::smtpd, places).empty());

  const auto queue = resolve(Role::qmgr, places);
  REQUIRE(queue.size() == 2);
  CHECK(queue[0].path == "/q/incoming");
  CHECK((queue[0].write && queue[0].create && queue[0].required));

  const auto worker = resolve(Role::worker, places);
  REQUIRE(worker.size() == 2);
  CHECK((worker[0].path == "/home/u/Maildir" && worker[0].create));
  CHECK((worker[1].path == "/home/u/.forward" && !worker[1].write));
  CHECK_FALSE(worker[1].required);

  const auto lookup = resolve(Role::lookup, places);
  REQUIRE(lookup.size() == 2);
  CHECK((lookup[0].path == "/" && !lookup[0].write && !lookup[0].create));
  CHECK((lookup[1].path == "/d" && lookup[1].write));
}

TEST_CASE("docs/processes.md is what the table prints") {
  const Result<std::string> page =
      os::read_file(POSTERN_SOURCE "/docs/processes.md");
  REQUIRE(page.ok());
  INFO("run: build/common/sandbox/print_profiles > docs/processes.md");
  CHECK((*page == processes_page()));
}
