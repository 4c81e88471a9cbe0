#include "local/agent.h"

#include <utility>

#include "common/service/delivery_log.h"
#include "local/local_delivery.h"
#include "local/unavailable_delivery.h"
#include "local/virtual_delivery.h"

namespace postern::local {
namespace {

constexpr Millis listening{3'600'000};

}  // namespace

Agent::Agent(Service& service)
    : service_(service),
      settings_(Settings::read(service.config(), service.row().name,
                               service.row().program, service.row().maxproc)),
      lookup_(service),
      router_(service.config(), lookup_),
      directory_(lookup_, router_, settings_.alias_maps),
      workers_(service, settings_.most_workers),
      forwarder_(service, settings_) {
  choose_delivery();
  service_.when_linked([this](Arrival arrival) { take(std::move(arrival)); });
  service_.when_drained([this] { drain(); });
}

Agent::~Agent() = default;

void Agent::choose_delivery() {
  const log::Log& log = service_.log();
  const std::string& program = service_.row().program;
  const auto preload = [&](const std::string& maps) {
    if (Status read = lookup_.preload(maps); !read)
      log.warning(read.trouble().text);
  };
  if (program == "local") {
    router_.load();
    preload(settings_.alias_maps);
    for (const std::string& name :
         {settings_.unavailable, settings_.expand.unavailable})
      if (!name.empty())
        log.warning("{} is set, but not available: mail for it is deferred",
                    name);
    delivery_ = std::make_unique<LocalDelivery>(settings_, log, directory_,
                                                workers_, forwarder_);
  } else if (program == "virtual") {
    for (const std::string& maps :
         {settings_.mailbox_maps, settings_.uid_maps, settings_.gid_maps})
      preload(maps);
    delivery_ =
        std::make_unique<VirtualDelivery>(settings_, log, lookup_, workers_);
  } else {
    log.warning(
        "service {}: the program {} is not available: mail for it is "
        "deferred",
        settings_.service, program);
    delivery_ = std::make_unique<UnavailableDelivery>(settings_, log);
  }
}

void Agent::take(Arrival arrival) {
  // The peer's task owns it.
  auto* peer = new Peer;
  peer->link = std::move(arrival.link);
  peers_.start(serve(peer));
}

Task<> Agent::serve(Peer* peer) {
  const std::unique_ptr<Peer> owner(peer);
  while (peer->link->open() || peer->link->waiting() > 0) {
    std::optional<ipc::Frame> frame = co_await peer->link->next(listening);
    if (!frame) continue;
    std::optional<ipc::DeliverRequest> request =
        frame->as<ipc::DeliverRequest>();
    if (!request) {
      service_.log().warning("a request from {} cannot be understood",
                             peer->link->name());
      break;
    }
    peer->requests.start(handle(peer, frame->id, std::move(*request)));
  }
  // What was begun is finished although nobody hears of it: a mailbox is not
  // left half done.
  if (!peer->requests.empty()) {
    Promised<bool> done;
    peer->requests.when_empty([&done] { done.set(true); });
    while (!done.is_set()) {
      co_await done.wait(listening);
    }
  }
}

Task<> Agent::handle(Peer* peer, std::uint32_t question,
                     ipc::DeliverRequest request) {
  ++at_work_;
  Job job;
  job.request = std::move(request);
  job.started = wall_clock();
  ipc::DeliverReport report;
  Result<DeliveredTo> head =
      DeliveredTo::read(job.request.message.get(), job.request.content_offset,
                        job.request.content_size);
  if (head) {
    job.delivered_to = std::move(*head);
    for (std::size_t i = 0; i < job.request.recipients.size(); ++i) {
      ipc::DeliverResult result = co_await delivery_->deliver(&job, i);
      report.results.push_back(std::move(result));
    }
  } else {
    // Without results all recipients are deferred.
    report.failure_status = head.trouble().status();
    report.failure_text = head.trouble().text;
    service_.log().warning("{}: {}", job.request.queue_id, head.trouble().text);
  }
  peer->link->reply(question, report);
  if (draining_) peer->link->flush_now();
  --at_work_;
  finish_when_idle();
}

void Agent::drain() {
  draining_ = true;
  finish_when_idle();
}

void Agent::finish_when_idle() {
  if (draining_ && at_work_ == 0) service_.finished();
}

}  // namespace postern::local
