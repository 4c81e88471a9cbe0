#include "local/agent.h"

#include <utility>

#include "common/service/delivery_log.h"
#include "local/local_delivery.h"
#include "local/pipe_delivery.h"
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
      workers_(service, settings_.most_workers),
      directory_(settings_, lookup_, router_, workers_),
      forwarder_(service, settings_),
      passer_(service, settings_),
      filter_(settings_, service.log(), lookup_) {
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
  preload(settings_.delivery_status_filter);
  if (program == "local") {
    router_.load();
    preload(settings_.alias_maps);
    for (const std::string& maps :
         {settings_.expand.mailbox_transport_maps,
          settings_.expand.mailbox_command_maps,
          settings_.expand.fallback_transport_maps})
      preload(maps);
    if (!settings_.expand.default_user)
      log.warning(
          "default_privs names no user that commands and files of aliases can "
          "be delivered as: mail for them is deferred");
    delivery_ = std::make_unique<LocalDelivery>(
        settings_, log, directory_, workers_, forwarder_, passer_, filter_);
  } else if (program == "virtual") {
    for (const std::string& maps :
         {settings_.mailbox_maps, settings_.uid_maps, settings_.gid_maps})
      preload(maps);
    delivery_ =
        std::make_unique<VirtualDelivery>(settings_, log, lookup_, workers_,
                                          filter_);
  } else if (program == "pipe") {
    delivery_ = std::make_unique<PipeDelivery>(service_, settings_, workers_,
                                               filter_);
  } else {
    spawner_ = std::make_unique<Spawner>(service_, settings_, workers_);
    spawner_->start();
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
  if (head && delivery_) {
    job.delivered_to = std::move(*head);
    report.results = co_await delivery_->deliver_all(&job);
  } else if (!delivery_) {
    report.failure_status = "4.3.5";
    report.failure_text = "service " + settings_.service + " delivers no mail";
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
  if (spawner_)
    spawner_->stop([this] { finish_when_idle(); });
  else
    finish_when_idle();
}

void Agent::finish_when_idle() {
  if (draining_ && at_work_ == 0) service_.finished();
}

}  // namespace postern::local
