#include "common/credentials/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "common/os/files.h"

using namespace postern;
using namespace postern::credentials;

namespace {

class Directory {
 public:
  Directory() {
    char path[] = "/tmp/postern-store-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~Directory() {
    for (const char* name : {"/users.db", "/users.db-wal", "/users.db-shm"})
      ::unlink((path_ + name).c_str());
    ::rmdir(path_.c_str());
  }
  std::string store() const { return store_path(path_); }

 private:
  std::string path_;
};

Store opened(const std::string& path, Store::Open how = Store::Open::create) {
  Result<Store> store = Store::open(path, how);
  if (!store) FAIL(store.trouble().text);
  return std::move(*store);
}

const Keys some = {{"argon2id", "A"}, {"scram-sha-256", "S"}};
const Keys others = {{"argon2id", "B"}};
const Keys imported = {{"imported", "{CRYPT}x"}};

}  // namespace

TEST_CASE("A store that is not there is told apart from one that is broken") {
  const Directory directory;
  const auto missing = Store::open(directory.store(), Store::Open::existing);
  REQUIRE_FALSE(missing);
  CHECK(Store::missing(missing.trouble()));
  REQUIRE(os::replace_file(directory.store(), "not a database at all, but "
                                              "long enough to look at",
                           0600));
  const auto broken = Store::open(directory.store(), Store::Open::existing);
  REQUIRE_FALSE(broken);
  CHECK_FALSE(Store::missing(broken.trouble()));
  CHECK(broken.trouble().temporary());
}

TEST_CASE("Users are kept with their keys, in any case of their names") {
  const Directory directory;
  {
    Store store = opened(directory.store());
    CHECK(*store.add("Bob@Example.com", some, false, 100));
    CHECK_FALSE(*store.add("bob@example.COM", others, false, 200));
    CHECK(*store.add("eve", others, true, 300));
  }
  struct stat facts;
  REQUIRE(::stat(directory.store().c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  Store store = opened(directory.store(), Store::Open::existing);
  const auto bob = store.find("BOB@example.com");
  REQUIRE(bob.ok());
  REQUIRE(bob->has_value());
  CHECK((*bob)->name == "bob@example.com");
  CHECK_FALSE((*bob)->disabled);
  CHECK((*bob)->made == 100);
  CHECK((*bob)->logged_in == 0);
  REQUIRE((*bob)->keys.size() == 2);
  CHECK(*find_key((*bob)->keys, "scram-sha-256") == "S");
  CHECK_FALSE(store.find("mallory")->has_value());

  CHECK(*store.note_login("bob@example.com", 500));
  CHECK(*store.set_keys("bob@example.com", others, 600));
  CHECK_FALSE(*store.set_keys("mallory", others, 600));
  CHECK(*store.set_disabled("bob@example.com", true));
  const auto all = store.list();
  REQUIRE(all->size() == 2);
  CHECK((*all)[0].logged_in == 500);
  CHECK((*all)[0].changed == 600);
  CHECK((*all)[0].disabled);
  CHECK((*all)[0].keys.size() == 1);
  CHECK(*store.remove("eve"));
  CHECK_FALSE(*store.remove("eve"));
  CHECK(store.list()->size() == 1);
}

TEST_CASE("An upgrade does not undo a change of the password") {
  const Directory directory;
  Store store = opened(directory.store());
  REQUIRE(*store.add("bob", imported, false, 1));
  CHECK(*store.upgrade("bob", imported, some));
  CHECK((*store.find("bob"))->keys.size() == 2);
  // Meanwhile somebody has set another one.
  Store other = opened(directory.store());
  REQUIRE(*other.set_keys("bob", others, 2));
  CHECK_FALSE(*store.upgrade("bob", some, some));
  CHECK(*find_key((*store.find("bob"))->keys, "argon2id") == "B");
  REQUIRE(*other.remove("bob"));
  CHECK_FALSE(*store.upgrade("bob", others, some));
}

TEST_CASE("The store knows which mechanisms its keys serve") {
  const Directory directory;
  Store store = opened(directory.store());
  CHECK(store.kinds()->without_scram_sha_256 == 0);
  REQUIRE(*store.add("bob", some, false, 1));
  REQUIRE(*store.add("old", imported, false, 1));
  CHECK(store.kinds()->without_scram_sha_256 == 1);
  CHECK(store.kinds()->without_scram_sha_1 == 2);
  REQUIRE(*store.set_disabled("old", true));
  CHECK(store.kinds()->without_scram_sha_256 == 0);
  CHECK_FALSE(store.kinds()->any_cram_md5);
  REQUIRE(*store.set_keys("bob", {{"cram-md5", "00"}}, 2));
  CHECK(store.kinds()->any_cram_md5);
}

TEST_CASE("What was begun and not committed is not there") {
  const Directory directory;
  {
    Store store = opened(directory.store());
    REQUIRE(store.begin());
    REQUIRE(*store.add("bob", some, false, 1));
  }
  Store store = opened(directory.store());
  CHECK(store.list()->empty());
  REQUIRE(store.begin());
  REQUIRE(*store.add("bob", some, false, 1));
  REQUIRE(store.commit());
  const std::string secret = store.secret();
  CHECK(secret.size() == 32);
  Store again = opened(directory.store());
  CHECK(again.list()->size() == 1);
  CHECK(again.secret() == secret);
}
