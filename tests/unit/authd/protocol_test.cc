#include "authd/protocol.h"

#include <catch2/catch.hpp>

using namespace postern::authd;

namespace {

template <class T>
T parsed(std::string_view line) {
  const ClientLine said = parse(line);
  const T* value = std::get_if<T>(&said);
  REQUIRE(value != nullptr);
  return *value;
}

}  // namespace

TEST_CASE("A request has its session and its response") {
  const auto line = parsed<AuthLine>(
      "AUTH\t7\tplain\tservice=smtp\tnologin\tlip=192.0.2.1\trip=198.51.100.2"
      "\tlport=587\trport=4444\tsecured=tls\tvalid-client-cert"
      "\tcert_username=b\001tb\ttls_exporter=AAEC\ttls_server_end_point=/w=="
      "\ttls_unique=AwQ="
      "\tsome_other=1\tfinal-resp-ok\tno-penalty\tresp=AGIAcA==");
  CHECK(line.id == 7);
  CHECK(line.mechanism == "PLAIN");
  CHECK(line.session == Session{"smtp", "192.0.2.1", "587", "198.51.100.2",
                                "4444", true, true, true, "b\tb", "\xff",
                                std::string("\0\1\2", 3), "\3\4"});
  CHECK(line.takes_final_response);
  CHECK(line.response == std::string("\0b\0p", 4));
  CHECK(parsed<AuthLine>("AUTH\t1\tX\tservice=s\tresp=").response == "");
  CHECK_FALSE(parsed<AuthLine>("AUTH\t1\tX\tservice=s").response);
}

TEST_CASE("Other lines") {
  CHECK(parsed<VersionLine>("VERSION\t1\t2").minor == 2);
  CHECK(parsed<ProcessLine>("CPID\t99").process == 99);
  CHECK(parsed<ContinueLine>("CONT\t5\tYQ==").response == "a");
  CHECK(parsed<CancelLine>("CANCEL\t5").id == 5);
  parsed<UnknownLine>("NOVELTY\t1");
  parsed<UnknownLine>("");
}

TEST_CASE("Lines that are not of the protocol") {
  for (const char* line :
       {"AUTH", "AUTH\t1", "AUTH\tx\tPLAIN\tservice=smtp",
        "AUTH\t0\tPLAIN\tservice=smtp", "AUTH\t4294967296\tPLAIN\tservice=smtp",
        "AUTH\t1\tPLAIN", "CONT\t1", "CONT\tx\tYQ==", "CANCEL",
        "CANCEL\t-1", "CPID\tx",
        "VERSION\t1", "VERSION\ta\tb"}) {
    CAPTURE(line);
    CHECK(std::holds_alternative<BadLine>(parse(line)));
  }
}

TEST_CASE("What does not decode spoils its own log-in alone") {
  for (const char* line :
       {"AUTH\t7\tPLAIN\tservice=smtp\tresp=*",
        "AUTH\t7\tPLAIN\tservice=smtp\tresp=A",
        "AUTH\t7\tPLAIN\tservice=smtp\ttls_exporter=*", "CONT\t7\t*",
        "CONT\t7\t=", "CONT\t7\tABC"}) {
    CAPTURE(line);
    CHECK(parsed<SpoiledLine>(line).id == 7);
  }
}

TEST_CASE("Values come through whatever is in them") {
  const std::string all("a\0b\1c\td\re\nf=g", 13);
  CHECK(unescaped(escaped(all)) == all);
  CHECK(escaped(all).find_first_of(std::string_view("\0\t\r\n", 4)) ==
        std::string::npos);
  CHECK(unescaped("a\001") == "a\001");
  CHECK(unescaped("a\001x") == "ax");
}

TEST_CASE("What the server says") {
  CHECK(ok_line(3, {{"user", "b\tb"}, {"anonymous", std::nullopt}}) ==
        "OK\t3\tuser=b\001tb\tanonymous\n");
  CHECK(fail_line(4, {}) == "FAIL\t4\n");
  CHECK(continue_line(5, "ab") == "CONT\t5\tYWI=\n");
  CHECK(greeting({{"PLAIN", {"plaintext"}}, {"EXTERNAL", {}}}, 11, 12, "ab") ==
        "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tEXTERNAL\nSPID\t11\n"
        "CUID\t12\nCOOKIE\tab\nDONE\n");
}
