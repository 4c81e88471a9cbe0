// Stands for any daemon of the suite in tests of master: takes its role from
// the name it is executed by, and does on request what daemons do.
//
// As smtpd or local it answers lines on its listeners:
//   pid             its process id
//   ids             its user and group id
//   open            its open descriptors
//   rows            the names of its rows
//   setting NAME    a parameter of its own row
//   link SERVICE    links to it; "ok ROLE", or the trouble's text
//   count           a question to lookup: how many it has answered, and its
//                   process id
//   dial ENDPOINT   a connection that others make; what it says first, or the
//                   trouble's text
//   worker UID GID USER DIR   (local) asks for a worker; "ok", or the trouble
//   full, roomy     tells master so; the answer is "told"
//   stress          whether master has declared it
//   die N           exits with status N
// As a worker it writes who it is into the file `who` of its directory.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <list>

#include "common/base/text.h"
#include "common/ipc/messages/lookup.h"
#include "common/loop/stream.h"
#include "common/os/files.h"
#include "common/service/service.h"

using namespace postern;

namespace {

constexpr Millis limit{20'000};

Role role_of_program() {
  char path[4096] = "";
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  const std::string name =
      os::base_name(std::string(path, size < 0 ? 0 : static_cast<std::size_t>(size)));
  return role_from(name).value_or(Role::smtpd);
}

class Daemon {
 public:
  explicit Daemon(Service& service)
      : service_(service), lookup_(service, "lookup") {
    service_.when_linked([this](Arrival arrival) { take(std::move(arrival)); });
    service_.when_woken([this](std::string row) {
      service_.log_as("woken").info(row + " by master");
    });
    service_.when_stressed([this](bool on) { stressed_ = on; });
    service_.when_drained([this] { drain(); });
    for (Listener& each : service_.listeners()) {
      const bool taken = service_.role() == Role::smtpd ||
                         service_.role() == Role::local;
      if (!taken) continue;
      Listener* listener = &each;
      watches_.push_back(std::make_unique<Watch>(
          each.socket.get(), Watch::read, false,
          [this, listener](short) { accept_on(*listener); }));
    }
  }

 private:
  void take(Arrival arrival) {
    auto link = std::shared_ptr<ipc::Link>(std::move(arrival.link));
    peers_.start(answer(std::move(link)));
  }

  Task<> answer(std::shared_ptr<ipc::Link> link) {
    while (link->open()) {
      std::optional<ipc::Frame> frame = co_await link->next(limit);
      if (!frame) continue;
      if (auto note = frame->as<ipc::AnvilNote>())
        link->reply(frame->id, ipc::AnvilAnswer{++count_, ::getpid()});
    }
  }

  void accept_on(Listener& listener) {
    Fd client(::accept4(listener.socket.get(), nullptr, nullptr,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client)
      clients_.start(converse(std::make_shared<Stream>(std::move(client))));
  }

  Task<> converse(std::shared_ptr<Stream> stream) {
    try {
      for (;;) {
        const std::string line = co_await read_line(stream.get());
        const std::string reply = co_await carry_out(line);
        stream->put(reply + "\n");
        co_await stream->flush(limit);
      }
    } catch (const Hangup&) {
    }
    if (draining_ && clients_.size() == 1) service_.finished();
  }

  Task<std::string> read_line(Stream* stream) {
    while (stream->buffered().find('\n') == std::string_view::npos) {
      co_await stream->fill(limit);
    }
    std::string line(
        stream->buffered().substr(0, stream->buffered().find('\n')));
    stream->consume(line.size() + 1);
    co_return line;
  }

  Task<std::string> carry_out(std::string line) {
    const std::vector<std::string> words = split_words(line, " ");
    const std::string verb = words.empty() ? "" : words[0];
    const std::string what = words.size() < 2 ? "" : words[1];
    if (verb == "link") {
      std::string answer = co_await link(what);
      co_return answer;
    }
    if (verb == "dial") {
      std::string answer = co_await dial(what);
      co_return answer;
    }
    if (verb == "count") {
      std::string answer = co_await count();
      co_return answer;
    }
    if (verb == "worker") {
      ipc::WorkerRequest request;
      request.uid = parse_number(words.at(1)).value_or(-1);
      request.gid = parse_number(words.at(2)).value_or(-1);
      request.user = words.at(3) == "-" ? "" : words.at(3);
      request.directory = words.at(4);
      std::string answer = co_await worker(request);
      co_return answer;
    }
    if (verb == "full" || verb == "roomy")
      service_.tell_load(1, verb == "full");
    co_return at_once(verb, what);
  }

  std::string at_once(const std::string& verb, const std::string& what) {
    if (verb == "pid") return std::to_string(::getpid());
    if (verb == "setting") return service_.config().text(what);
    if (verb == "stress") return stressed_ ? "on" : "off";
    if (verb == "full" || verb == "roomy") return "told";
    if (verb == "die") std::_Exit(std::atoi(what.c_str()));
    if (verb == "ids")
      return std::to_string(::getuid()) + " " + std::to_string(::getgid());
    std::string text;
    if (verb == "rows")
      for (const ServiceRow& row : service_.rows()) text += row.name + " ";
    if (verb == "open") {
      struct stat facts;
      for (int fd = 0; fd < 256; ++fd)
        if (::fstat(fd, &facts) == 0) text += std::to_string(fd) + " ";
    }
    return std::string(trim(text));
  }

  Task<std::string> link(std::string service) {
    Result<std::unique_ptr<ipc::Link>> made =
        co_await service_.link_to(service, limit);
    if (!made) co_return made.trouble().text;
    co_return "ok " + std::string(name_of((*made)->peer()));
  }

  Task<std::string> dial(std::string text) {
    std::optional<config::Endpoint> endpoint = config::parse_endpoint(
        text, service_.config().get<"queue_directory">(), config::Bare::path);
    if (!endpoint) co_return std::string("no endpoint");
    Result<Fd> made = co_await service_.dial(std::move(*endpoint), limit);
    if (!made) co_return made.trouble().text;
    auto stream = std::make_unique<Stream>(std::move(*made));
    Stream* open = stream.get();
    std::string said = co_await read_line(open);
    co_return said;
  }

  // Gives the worker until it has closed its end.
  Task<std::string> worker(ipc::WorkerRequest request) {
    Result<std::unique_ptr<ipc::Link>> made =
        co_await service_.worker(request, limit);
    if (!made) co_return made.trouble().text;
    ipc::Link* link = made->get();
    while (link->open()) {
      std::optional<ipc::Frame> frame = co_await link->next(limit);
      if (!frame) break;
    }
    co_return std::string("ok");
  }

  Task<std::string> count() {
    const ipc::AnvilNote note{"connect", "test"};
    Result<ipc::AnvilAnswer> answer = co_await lookup_.ask(note, limit);
    if (!answer) co_return answer.trouble().text;
    co_return std::to_string(answer->count) + " " +
        std::to_string(answer->rate);
  }

  void drain() {
    draining_ = true;
    watches_.clear();
    // Sessions go on after a reload, and are cut off at a stop.
    if (clients_.empty() || !service_.drained_for_reload())
      service_.finished();
  }

  Service& service_;
  SharedLink lookup_;
  std::int64_t count_ = 0;
  bool stressed_ = false;
  bool draining_ = false;
  std::vector<std::unique_ptr<Watch>> watches_;
  Nursery peers_;
  Nursery clients_;
};

}  // namespace

// `worker -d DIRECTORY …`: descriptor 3 leads to local, and is all it has.
int be_worker(int argc, char** argv) {
  std::string directory;
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string_view(argv[i]) == "-d") directory = argv[i + 1];
  const Result<std::string> status = os::read_file("/proc/self/status");
  const Result<std::string> environment = os::read_file("/proc/self/environ");
  std::string text = status ? *status : status.trouble().text;
  text += "Arguments:";
  for (int i = 1; i < argc; ++i) text += std::string(" ") + argv[i];
  text += "\nEnvironment: " + (environment ? *environment : std::string());
  const Status written =
      os::replace_file(directory + "/who", text + "\n", 0644);
  return written ? 0 : 1;
}

int main(int argc, char** argv) {
  if (role_of_program() == Role::worker) return be_worker(argc, argv);
  Service service(role_of_program(), argc, argv);
  Daemon daemon(service);
  service.lock();
  return service.run();
}
