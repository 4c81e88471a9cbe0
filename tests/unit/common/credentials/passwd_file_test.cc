#include "common/credentials/passwd_file.h"

#include <catch2/catch.hpp>

using namespace postern::credentials;

TEST_CASE("Lines of password files") {
  struct Case {
    const char* line;
    const char* name;     // empty: no user
    const char* scheme;
    bool disabled;
    const char* trouble;
  };
  const Case cases[] = {
      {"", "", "", false, ""},
      {"  # bob:{PLAIN}x", "", "", false, ""},
      // Dovecot's passwd-file.
      {"bob@example.com:{PLAIN}secret:1000:1000::/home/bob::quota=1",
       "bob@example.com", "PLAIN", false, ""},
      {"bob:{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O8"
       "17G3uBnIFNjnQJOesI68OTLiBFdcbYEdFCoEOfaxPCvBBi.",
       "bob", "CRYPT", false, ""},
      // shadow(5)
      {"bob:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJ"
       "OesI68OTLiBFdcbYEdFCoEOfaxPCvBBi.:19000:0:99999:7:::",
       "bob", "CRYPT", false, ""},
      {"bob:!$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQ"
       "JOesI68OTLiBFdcbYEdFCoEOfaxPCvBBi.:19000::::::",
       "bob", "CRYPT", true, ""},
      {"daemon:*:19000:0:99999:7:::", "", "", false, "daemon: no password"},
      {"sshd:!:19000::::::", "", "", false, "sshd: no password"},
      {"bob:x:1000:1000:Bob:/home/bob:/bin/sh", "", "", false,
       "bob: no password"},
      // htpasswd
      {"bob:{SHA}0SooLFXfOrFo0V5ICIxRUg/A83c=", "bob", "SHA", false, ""},
      {"bob", "", "", false, "no \":\" behind the name"},
      {":secret", "", "", false, "a name that cannot be one"},
      {"b ob:secret", "", "", false, "a name that cannot be one"},
      {"bob:{NTLM}00", "", "", false, "bob: the scheme NTLM is not known"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.line);
    const ImportedLine read = passwd_line(each.line, "CRYPT");
    CHECK(read.trouble == each.trouble);
    CHECK(read.user.has_value() == (*each.name != '\0'));
    if (!read.user) continue;
    CHECK(read.user->name == each.name);
    CHECK(read.user->password.scheme == each.scheme);
    CHECK(read.user->disabled == each.disabled);
  }
}

TEST_CASE("A dump of sasldb2 has users with passwords in the clear") {
  // As db_dump -p prints what saslpasswd2 made, with a property of another
  // kind, and with bytes that are not printable.
  const ImportedFile file = sasldb_dump(
      "VERSION=3\nformat=print\ntype=hash\nh_nelem=3\ndb_pagesize=4096\n"
      "HEADER=END\n"
      " bob\\00example.com\\00userPassword\n secret\n"
      " bob\\00example.com\\00cmusaslsecretPLAIN\n x\n"
      " eve\\00\\00userPassword\n p\\c3\\b6 \\\\x\n"
      " b\\ad\n y\n"
      "DATA=END\n mallory\\00x\\00userPassword\n z\n");
  CHECK(file.troubles.empty());
  REQUIRE(file.users.size() == 2);
  CHECK(file.users[0].name == "bob@example.com");
  CHECK(file.users[0].password.data == "secret");
  CHECK(file.users[0].password.plain());
  CHECK(file.users[1].name == "eve");
  CHECK(file.users[1].password.data == "p\xc3\xb6 \\x");
  CHECK(sasldb_dump("bob:secret\n").troubles.size() == 1);
  CHECK(sasldb_dump("HEADER=END\n x\\zz\n").troubles.size() == 1);
}

TEST_CASE("Names of users") {
  CHECK(valid_user_name("bob"));
  CHECK(valid_user_name("j\xc3\xb6rg@example.com"));
  for (const char* name : {"", "a b", "a:b", "a\nb", "\xff", "a\x7f"}) {
    CAPTURE(name);
    CHECK_FALSE(valid_user_name(name));
  }
  CHECK_FALSE(valid_user_name(std::string(256, 'a')));
}
