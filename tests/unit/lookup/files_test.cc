#include "lookup/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "common/os/files.h"

namespace postern::lookup {
namespace {

const std::string certificate =
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const std::string secret =
    "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
const std::string key =
    "-----BEGIN PUBLIC KEY-----\nBBBB\n-----END PUBLIC KEY-----\n";

TEST_CASE("of a certificate file the public blocks are told", "[lookup]") {
  CHECK(public_pem_blocks("text\n" + certificate + secret + "more" + key) ==
        certificate + key);
  CHECK(public_pem_blocks(secret).empty());
  CHECK(public_pem_blocks("-----BEGIN CERTIFICATE-----\nAAAA").empty());
  CHECK(public_pem_blocks("-----BEGIN ").empty());
}

class TestFile {
 public:
  explicit TestFile(const std::string& content)
      : path_("/tmp/postern-file." + std::to_string(::getpid())) {
    REQUIRE(os::replace_file(path_, content));
  }
  ~TestFile() { ::unlink(path_.c_str()); }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  ipc::FileAnswer read(const std::string& what) const {
    return read_named_file({path_, what});
  }

 private:
  std::string path_;
};

TEST_CASE("a token is the first line of its file", "[lookup]") {
  CHECK(TestFile("t0ken \nrest\n").read("line").content == "t0ken");
  CHECK(TestFile("t0ken").read("line").content == "t0ken");
  CHECK(TestFile("\nlate\n").read("line").trouble.present);
  CHECK(TestFile(std::string(20000, 'x')).read("line").trouble.present);
}

TEST_CASE("certificates come from files that have some", "[lookup]") {
  CHECK(TestFile(certificate).read("certificates").content == certificate);
  CHECK(TestFile(secret).read("certificates").trouble.present);
}

TEST_CASE("only regular files with full names are read", "[lookup]") {
  CHECK(read_named_file({"relative", "line"}).trouble.present);
  CHECK(read_named_file({"/nowhere/file", "line"}).trouble.present);
  CHECK(read_named_file({"/dev/null", "line"}).trouble.present);
  CHECK(read_named_file({"/tmp", "line"}).trouble.present);
  const std::string pipe = "/tmp/postern-pipe." + std::to_string(::getpid());
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(read_named_file({pipe, "line"}).trouble.present);
  ::unlink(pipe.c_str());
}

}  // namespace
}  // namespace postern::lookup
