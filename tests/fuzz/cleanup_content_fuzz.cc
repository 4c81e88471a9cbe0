// The content of a message on its way into the queue: wherever the stream is
// cut, the same file comes of it.
#include <stdlib.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "cleanup/content.h"
#include "cleanup/pickup.h"
#include "common/base/panic.h"
#include "common/config/config.h"
#include "common/os/files.h"

using namespace postern;
using namespace postern::cleanup;

namespace {

class Book final : public AddressBook {
 public:
  std::string rewrite(const std::string& address,
                      route::Context) const override {
    return address.find('@') == std::string::npos ? address + "@mail.test"
                                                  : address;
  }
  Task<Result<ipc::RouteWire>> resolve(std::string, std::string) override {
    co_return try_later("3.0", "none");
  }
  Task<Result<bool>> is_local(std::string) override { co_return false; }
  Task<Result<ipc::TableAnswer>> find(std::string, std::vector<std::string>,
                                      std::int64_t) override {
    co_return ipc::TableAnswer();
  }
};

struct Bench {
  Bench()
      : config(*config::Config::parse("myhostname = mail.test\n"
                                      "myorigin = mail.test\n"
                                      "header_size_limit = 300\n"
                                      "message_size_limit = 0\n"
                                      "hopcount_limit = 5\n",
                                      "/etc/postern")),
        settings(config),
        spool(options()) {
    log::set_recorder([](std::string_view, log::Severity, std::string_view) {});
  }
  static queue::SpoolOptions options() {
    char name[] = "/tmp/postern-fuzz-XXXXXX";
    queue::SpoolOptions out;
    out.directory = ::mkdtemp(name);
    [[maybe_unused]] const Status made =
        os::make_directories(out.directory + "/incoming", 0700);
    return out;
  }
  ~Bench() {
    const std::string command = "rm -rf '" + spool.directory() + "'";
    [[maybe_unused]] const int done = ::system(command.c_str());
  }
  Loop loop;
  config::Config config;
  Settings settings;
  queue::Spool spool;
  Book book;
  log::Log log{"cleanup"};
};

Task<void> feed(ContentPass* pass, std::string bytes, std::size_t cut,
                std::string* trouble) {
  for (std::size_t at = 0; at < bytes.size(); at += cut) {
    std::string piece = bytes.substr(at, cut);
    Status done = co_await pass->feed(std::move(piece));
    if (!done) {
      *trouble = done.trouble().text;
      co_return;
    }
  }
  Status done = co_await pass->finish();
  if (!done) *trouble = done.trouble().text;
}

std::string taken(Bench& bench, const std::string& bytes, std::size_t cut) {
  Result<std::unique_ptr<queue::Draft>> draft = bench.spool.create(1);
  require(draft.ok(), "no queue file");
  Mapper mapper(bench.settings, bench.book, bench.log);
  Origin origin;
  origin.queue_id = "QID";
  origin.context = route::Context::local;
  HeaderPass headers(bench.settings, bench.book, mapper, bench.log,
                     std::move(origin));
  const std::string sender = "a@b";
  EnvelopeBuilder envelope_builder(bench.settings, bench.book, mapper, "QID");
  ContentChecks checks(bench.settings, bench.book, bench.log, envelope_builder,
                       "QID");
  ContentPass pass(bench.settings, bench.log, headers, checks, **draft, sender);
  std::string trouble;
  {
    Nursery nursery;
    nursery.start(feed(&pass, bytes, cut, &trouble));
    bench.loop.run_until([&] { return nursery.empty(); });
  }
  if (!trouble.empty()) return "refused: " + trouble;
  queue::Envelope envelope;
  require((*draft)->finish(envelope, queue::Box::incoming).ok(), "finish");
  const std::size_t size = static_cast<std::size_t>((*draft)->content_size());
  return *os::read_at((*draft)->fd(), size, queue::preamble_size, "file");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  static Bench bench;
  if (size == 0) return 0;
  const std::size_t cut = data[0] % 37 + 1;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = taken(bench, bytes, bytes.size() + 1);
  require(whole == taken(bench, bytes, cut), "the cut shows in the content");
  require(whole.starts_with("refused: ") || whole.empty() ||
              whole.back() == '\n',
          "the content ends within a line");

  SubmissionStart in_one, in_pieces;
  std::string expected = in_one.feed(bytes);
  expected += in_one.finish();
  std::string got;
  for (std::size_t at = 0; at < bytes.size(); at += cut)
    got += in_pieces.feed(bytes.substr(at, cut));
  require(expected == got + in_pieces.finish(), "the cut shows at the start");
  return 0;
}
