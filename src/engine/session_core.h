// The control role of one endpoint: listens or dials, proves peers, keeps the control link and the streams alive, and
// runs the transfers of the session. The same code in either direction; the simulator steps it like any role.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mailbox.h"
#include "engine/control_link.h"
#include "engine/discovery.h"
#include "engine/feeder.h"
#include "engine/handshake.h"
#include "engine/path_meter.h"
#include "engine/planner.h"
#include "engine/storage.h"
#include "engine/tickets.h"
#include "engine/verdict.h"
#include "engine/worker.h"
#include "longhaul/transfer.h"
#include "paths/allot.h"
#include "paths/budget.h"
#include "paths/congestion.h"
#include "paths/discovery.h"
#include "paths/flap.h"
#include "paths/stream_count.h"
#include "paths/timetable.h"
#include "security/ticket.h"

namespace longhaul::engine {

struct SessionSetup {
  Options options;
  Observer observer;
  StopFlag* stop = nullptr;
  std::optional<security::Ticket> ticket;  ///< dialler: whom to dial
  std::string keep_in;                     ///< listener: target whose landing zone keeps the tickets
  bool reports_cpu = true;                 ///< false for the second end in one process
  /// Who proves peers; a simulation has its own.
  std::function<std::unique_ptr<wire::Guard>(const security::Identity&)> make_guard = wire::make_tls_guard;
  bool touch_memory = true;  ///< false in simulations: workers' slots cost nothing before they are used
  wire::fabric::Fabric* fabric = &wire::fabric::system_fabric();  ///< outlives the session
};

class SessionCore final : public Role, private StreamEvents, private PlannerHost, private Admission {
 public:
  /// `problem()` tells what kept it from listening.
  SessionCore(Kit kit, World& world, SessionSetup setup);
  ~SessionCore() override;

  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }
  /// Of the ticket that the two sides meet by: 32 hexadecimal digits.
  [[nodiscard]] std::string id() const;
  /// Listener: the ticket to hand out.
  [[nodiscard]] const std::string& ticket() const { return ticket_text_; }

  // Any thread. `done` is called on the control thread.
  void send(std::shared_ptr<Feed> feed, std::function<void(Outcome)> done);
  void receive(std::shared_ptr<Sink> sink, std::function<void(Outcome)> done);
  /// See Live. `done` is called on the control thread; no name in `adjustment` needs a look-up any more.
  void adjust(Adjustment adjustment, std::function<void(Result<std::string>)> done);
  void snapshot(std::function<void(Report)> done);
  /// Ends the session: tells the peer, lets transfers close, stops workers.
  void shut_down();

  Time step(Time now) override;
  [[nodiscard]] bool finished() const override { return finished_; }
  [[nodiscard]] std::string name() const override { return "control"; }

 private:
  using Mail = std::function<void(SessionCore&)>;

  /// One connection that a dialler keeps up.
  struct StreamSlot {
    bool sends = false;
    std::uint32_t stream = 0;  ///< 0: not up
    bool dialling = false;
    Time next_try = 0;
    Time backoff = 0;
    bool wanted = true;  ///< false: one too many, of those that `streams=auto` tried
  };
  enum class Use : std::uint8_t { in_use, draining, drained, disabled, removed };  ///< as in protocol::PathStanding
  /// What deadline and money make of a path that this side sends on.
  struct Duty {
    bool spared = false;               ///< it is not needed now: its streams get nothing new
    std::uint64_t cap_bits_per_s = 0;  ///< it need not carry more; 0: let it run
    Time since = 0;                    ///< when it was called in last, or came up
    Time moved_at = 0;                 ///< when it last carried something, or had nothing to carry
    PathMeter meter;
  };
  struct Path {
    PathOptions given;    ///< as it was asked for
    PathOptions options;  ///< name, cap and addresses as they are
    Use use = Use::in_use;
    std::uint64_t rtt_us = 0;  ///< as its streams find it
    std::vector<StreamSlot> slots;
    unsigned streams_up = 0;
    unsigned streams_most = 0;
    bool broken = false;  ///< lost its last stream while a transfer ran, and has not come back
    Carried ended;        ///< by streams that are gone
    std::uint64_t bytes_sampled = 0;
    double bytes_per_s = 0;
    std::string last_error;
    std::string excluded;  ///< why policy lets no byte onto it, of this side or the peer's; empty: it may carry
    bool excluded_by_peer = false;       ///< then until a new session, whose policy may be another
    PathWatch watch;                     ///< of what this side sends on it
    PathTimes times;                     ///< so, too
    paths::CongestionChoice congestion;  ///< where nobody named one
    paths::Flap flap;                    ///< dialler
    bool found = false;                  ///< by discovery: until it has been up, nothing says that it leads to the peer
    // Dialler that sends, streams=auto.
    paths::StreamCount count;
    PathMeter count_meter;
    unsigned streams_auto = paths::streams_auto_start;  ///< what `count` chose
    std::string streams_words;  ///< of it, when there was work last; empty: it has not been asked
    Duty duty;
    [[nodiscard]] bool may_carry() const { return use == Use::in_use && excluded.empty(); }
    [[nodiscard]] bool works() const { return use == Use::in_use && !duty.spared; }
  };
  struct Stream {
    std::uint32_t number = 0;  ///< on the wire: the dialler's
    std::size_t path = 0;
    std::size_t worker = 0;
    bool sends = false;
    unsigned slots = 0;  ///< of a fabric; 0: it is none
    std::shared_ptr<StreamCounters> counters;
    std::uint64_t pace_bytes_per_s = 0;  ///< what its worker was told
    bool held = false;                   ///< as well
    Time measured_at = 0;                ///< `sent_bytes` and `bytes_per_s`, for the paces
    std::uint64_t sent_bytes = 0;
    double bytes_per_s = 0;
    bool released = false;  ///< gets nothing new, and closes when it is empty
    bool closing = false;
  };
  struct Greeting {
    std::unique_ptr<Handshake> handshake;
    bool dialled = false;
    bool control = false;
    std::size_t path = 0;
    std::size_t slot = 0;
  };
  enum class Phase : std::uint8_t { waiting, running, ending, closed };
  struct Outgoing {
    std::shared_ptr<Feed> feed;
    std::function<void(Outcome)> done;
    Feeder* feeder = nullptr;
    std::unique_ptr<Planner> planner;
    std::string id;
    Time began = 0;
    double cpu_began = 0;
    std::uint64_t before_files = 0;  ///< done in earlier sessions of this run
    std::uint64_t before_bytes = 0;
    std::uint64_t before_resent = 0;  ///< arrived in them, but was not durable at their end
    std::uint64_t bytes_sampled = 0;
    double bytes_per_s = 0;
    bool opened = false;
    bool accepted = false;
    EndTimes peer;         ///< as it told last, in this session
    EndTimes peer_before;  ///< in earlier ones of this run
    Evidence evidence_began;
    Evidence evidence_seen;    ///< when it was looked at last
    Evidence evidence_recent;  ///< of the last seconds
    LimitSum limit_sum;        ///< up to `evidence_judged`
    Evidence evidence_judged;
    bool target_holds_up = false;     ///< then
    std::vector<LimitReport> limits;  ///< over the whole run, once it has ended
  };
  struct Incoming {
    std::shared_ptr<Sink> sink;
    std::function<void(Outcome)> done;
    Storage* storage = nullptr;
    std::string id;
    Time began = 0;
    double cpu_began = 0;
    Phase phase = Phase::waiting;
    std::uint64_t before_files = 0;
    std::uint64_t before_bytes = 0;
    std::uint64_t bytes_sampled = 0;
    double bytes_per_s = 0;
    std::uint64_t entries_total = 0;
    bool entries_known = false;
    bool storage_closed = false;
    bool goodbye = false;
    Time ended_at = 0;
    double cpu_sender = 0;
    std::uint64_t failed_files = 0;
    std::uint64_t resent_bytes = 0;
    std::vector<FileError> errors;
    EndTimes times_began;
    EndTimes peer;                    ///< as it told last
    std::vector<LimitReport> limits;  ///< as well
    std::optional<Error> error;       ///< it ends badly
    bool of_old_session = false;      ///< what it says is not for the peer of now
    bool dry_run = false;
    bool again = false;  ///< closing only because the session was lost: wait for the next one
  };

  // session_core.cc: life, connections; session_dial.cc: dialling
  void post(Mail mail) { mailbox_.put(std::move(mail)); }
  Result<> prepare_identity();
  Result<> prepare_paths();
  Result<Path> make_path(PathOptions given, std::size_t index) const;
  void step_greetings(Time now);
  void greeted(Greeting& greeting, Time now);
  void greeting_failed(Greeting& greeting, Time now);
  void control_up(Greeting& greeting, Time now);
  void control_lost(const Error& error, Time now);
  void stream_proven(Greeting& greeting, Time now);
  void stream_refused(std::size_t path, std::size_t slot, const Error& error, Time now);
  static Time next_backoff(Time backoff);
  void dial(Time now);
  void dial_control(Time now);
  void dial_streams(Time now);
  void fill_slots(Path& path, bool sends) const;
  [[nodiscard]] bool may_dial(std::size_t path, const StreamSlot& slot, Time now) const;
  [[nodiscard]] bool carried_beside(std::size_t path) const;
  void tell_path_down(std::size_t path, Error error, Time now);
  bool start_dial(std::size_t path, std::size_t slot, bool control, Time now);
  protocol::Hello hello_of(const Path& path, const StreamSlot* slot);
  void reset_session(Time now);
  void restart_outgoing(Time now);
  void close_streams();
  std::size_t path_of(const protocol::Hello& hello);
  void check_stop(Time now);
  void check_deadlines(Time now);
  Time finish_shut_down(Time now);
  void end_what_is_left(Time now);
  void note(Event::Type type, std::string text, std::string path = {}, Error error = {});

  // session_paths.cc
  [[nodiscard]] std::string excluded_here(const PathOptions& path) const;
  [[nodiscard]] Error no_path_left() const;
  void path_excluded(Greeting& greeting, Time now);
  void tell_excluded();
  void treat_as_asked(wire::Connection& connection, const protocol::Hello& dialler);
  // session_fabric.cc: paths whose frames go by RDMA
  Result<> prepare_fabrics();
  [[nodiscard]] Result<> may_use_fabric(const PathOptions& path) const;
  [[nodiscard]] std::optional<wire::fabric::FabricSetup> fabric_of(const PathOptions& path, bool sends,
                                                                   std::uint64_t rtt_us) const;
  [[nodiscard]] std::size_t slots_held() const;
  [[nodiscard]] std::string slots_words(const Path& path) const;
  [[nodiscard]] Result<> has_room_for(const PathOptions& path) const;
  // session_live.cc: changes while transfers run
  struct Asked {
    std::function<void(Result<std::string>)> done;
    Time by = 0;
  };
  void ask_peer(const Adjustment& adjustment, std::function<void(Result<std::string>)> done);
  Result<std::string> adjust_here(const Adjustment& adjustment, bool by_peer);
  Result<std::string> adjust_path(const Adjustment& adjustment);
  Result<std::string> add_path(const PathOptions& given, bool by_peer);
  Result<> may_add(const PathOptions& given, bool by_peer) const;
  std::string drain_path(std::size_t path);
  std::string close_path(std::size_t path, Use use);
  std::string enable_path(std::size_t path);
  Result<std::string> pause(bool paused, bool by_peer);
  Result<std::string> set_rate(std::uint64_t cap_bits_per_s, bool by_peer);
  void take_adjust(const protocol::Adjust& adjust);
  void take_adjusted(const protocol::Adjusted& adjusted);
  void take_standing(const protocol::Standing& standing);
  void tell_standing();
  [[nodiscard]] bool as_usual() const;
  void set_use(std::size_t path, Use use);
  void drop_greetings(std::size_t path);
  void move_control(Time now);
  void step_live(Time now);
  void fail_asked(const Error& error);
  [[nodiscard]] paths::PathTerms terms_of(std::size_t path) const;
  void offer_stream(Planner& planner, std::uint32_t stream, std::size_t path) const;
  void offer_or_retire(std::size_t path);
  [[nodiscard]] bool may_dial_control(std::size_t path) const;
  [[nodiscard]] bool any_path_in_use() const;
  [[nodiscard]] std::size_t paths_in_use() const;
  [[nodiscard]] std::string path_names() const;
  [[nodiscard]] std::string waits_if_none() const;

  // session_rates.cc: rules, and from caps to the paces of streams
  struct Rule {  ///< as protocol::SendingRule
    std::uint64_t cap_bits_per_s = 0;
    bool holds = false;
    std::string words;
    bool operator==(const Rule&) const = default;
    /// The words may still change: "until Mon 08:00" becomes "until 08:00".
    [[nodiscard]] bool same_limits(const Rule& other) const {
      return cap_bits_per_s == other.cap_bits_per_s && holds == other.holds;
    }
  };
  [[nodiscard]] Rule rule_of_now() const;
  void look_at_timetable(Time now);
  void take_rule(const protocol::SendingRule& told);
  void hold_or_go_on();
  [[nodiscard]] bool is_held() const;
  [[nodiscard]] std::string schedule_words() const;
  void share_caps();
  Time step_rates(Time now);
  void allot(Time now);
  void set_pace(std::uint32_t id, Stream& stream, std::uint64_t bytes_per_s, bool held);
  [[nodiscard]] bool is_capped(const Stream& stream) const;
  [[nodiscard]] std::uint64_t cap_of_all() const;
  [[nodiscard]] static std::uint64_t cap_of(const Path& path);

  // session_budget.cc: deadline and money
  [[nodiscard]] bool has_budget() const;
  [[nodiscard]] double deadline_left_s() const;
  void keep_budget(Time now);
  [[nodiscard]] std::vector<paths::Budget::Path> budget_paths(Time now);
  [[nodiscard]] std::vector<paths::Budget::Path> without_spares(std::vector<paths::Budget::Path> paths) const;
  [[nodiscard]] std::uint64_t expected_left() const;
  [[nodiscard]] std::uint64_t on_the_wire(std::uint64_t content_bytes) const;
  [[nodiscard]] paths::Budget::Ask budget_ask(Time now, bool& walk_done) const;
  [[nodiscard]] Time half_of_the_money(const std::vector<paths::Budget::Path>& paths,
                                       const paths::Budget::Answer& answer) const;
  void put_to_use(const paths::Budget::Use& use, Time now);
  void tell_forecast(bool met, Time now);
  void end_if_spent(Time now);
  [[nodiscard]] bool all_spared() const;
  [[nodiscard]] std::string deadline_words() const;

  // session_discover.cc: paths that nobody named
  [[nodiscard]] paths::AllowList allow_list() const;
  [[nodiscard]] std::vector<wire::OwnAddress> permitted_addresses() const;
  [[nodiscard]] bool has_terms(const wire::OwnAddress& own) const;
  void tell_addresses();
  std::optional<std::string> heard_at(const wire::OwnAddress& own);
  void ask_addresses();
  void take_addresses(const protocol::Addresses& addresses);
  [[nodiscard]] std::vector<paths::Probe> paths_by_address() const;
  void discover(Time now);
  void use_found(const paths::Probe& probe);
  bool drop_if_only_found(std::size_t path, const Error& error);

  // session_health.cc: paths that get worse
  [[nodiscard]] std::vector<std::vector<MeteredStream>> metered_streams() const;
  void watch_health(Time now);
  void watch_path(std::size_t path, const std::vector<MeteredStream>& streams, Time now, Time span);
  void tell_health(std::size_t path, paths::Health::Change change);
  void choose_congestion(std::size_t path, const paths::Health::Sample& sample);
  void use_congestion(std::size_t path);

  // session_streams.cc: streams=auto
  [[nodiscard]] bool counts_streams(const Path& path) const;
  [[nodiscard]] unsigned streams_of(const Path& path, bool sends) const;
  [[nodiscard]] std::string streams_why(const Path& path) const;
  void decide_streams(Time now);
  void decide_streams_of(std::size_t path, const std::vector<MeteredStream>& streams, Time now);
  void release_surplus(std::size_t path, Time now);
  void release_stream(std::uint32_t id, Time now);
  void finish_released();

  // session_listen.cc, with Admission
  Result<> listen();
  void make_room_for_greeting();
  void note_refusal(const std::string& text, Time now);
  Result<> hand_out_ticket(const std::vector<std::string>& addresses, std::int64_t now_s, std::uint16_t port);
  Result<> stand_open(const std::vector<std::string>& addresses);
  void accept_connections(Time now);
  [[nodiscard]] security::Secret joining_key() const;
  std::string why_excluded(const protocol::Hello& dialler, const std::optional<security::Fingerprint>& key) override;
  Result<Answer> answer(const protocol::Hello& dialler) override;
  Result<> admit(const protocol::Hello& dialler, const security::Fingerprint& key) override;
  [[nodiscard]] bool of_this_session(const protocol::Hello& dialler) const;
  bool is_stranger(const protocol::Hello& dialler, const std::optional<security::Fingerprint>& key);
  Result<std::optional<security::TicketKey>> what_admits(const protocol::Hello& dialler);
  [[nodiscard]] Result<> admit_by_key(const security::Fingerprint& key) const;
  Result<> admit_by_ticket(const protocol::Hello& dialler, const security::Fingerprint& key);

  // session_transfers.cc
  void take_control_messages(Time now);
  void take_message(protocol::Message message, Time now);
  void open_outgoing(Time now);
  void open_incoming(const protocol::OpenTransfer& open);
  void ticket_used();
  void ask_for_mirror(const protocol::OpenTransfer& open, Storage::Setup& setup);
  void storage_ready(std::uint32_t transfer, Time now);
  void transfer_end(const protocol::TransferEnd& end, Time now);
  void goodbye(const protocol::Goodbye& goodbye);
  void note_failure(std::uint32_t transfer, FileError failed);
  void take_deleted(const protocol::Deleted& deleted);
  void tell_deleted(const std::string& path, bool dry_run);
  void peer_stopped(const protocol::Stop& stop, Time now);
  void incoming_complete(std::uint32_t transfer, Time now);
  void close_incoming(std::uint32_t transfer);
  void incoming_closed(std::uint32_t transfer);
  void finish_incoming(Time now);
  void finish_outgoing(std::uint32_t transfer, std::optional<Error> error, const protocol::TransferEnd* end, Time now);
  void fail_incoming(std::uint32_t transfer, Error error);
  void fail_all(const Error& error, bool tell_peer, Time now);
  void tell_stop(std::uint32_t transfer, const Error& error);
  void start_planner(std::uint32_t transfer, Outgoing& outgoing, Time now);
  Planner* planner_of(std::uint32_t transfer);
  Storage* storage_of(std::uint32_t transfer);

  // StreamEvents (workers' threads)
  void stream_down(std::uint32_t stream, Error error) override;
  void stream_message(std::uint32_t stream, protocol::Message message) override;
  void source_failed(std::uint32_t transfer, std::uint64_t file, FileError error) override;
  void task_dropped(std::uint32_t stream, std::uint32_t transfer, paths::Load copy) override;
  void tell_stream_gone(std::uint32_t number);
  void take_stream_gone(const protocol::StreamGone& gone);
  void take_stream_down(std::uint32_t id, const Error& error);
  void take_busy(const protocol::Busy& busy, Time now);
  void take_stream_message(std::uint32_t stream, const protocol::Message& message);

  // PlannerHost
  void post_to_stream(std::uint32_t stream, std::function<void(Worker&)> mail);
  void tell(protocol::Message message) override { control_.send(message); }
  void assign(std::uint32_t stream, ChunkTask task) override;
  void cancel(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) override;
  void call_back(std::uint32_t stream, std::uint32_t transfer, const paths::Load& copy) override;
  void give_up_stream(std::uint32_t stream) override;
  void file_durable(std::uint32_t transfer, const std::string& path) override;
  void file_error(std::uint32_t transfer, FileError error) override;
  void would(std::uint32_t transfer, Would would, const std::string& path) override;
  // session_compare.cc
  void compare(std::uint32_t transfer, std::uint64_t file, ContentJob job) override;
  void give_to_worker(ContentJob job) const;
  void take_compared(const protocol::Compared& compared);

  // session_stages.cc: where the time goes, and what that says
  [[nodiscard]] EndTimes own_times(Time now) const;
  [[nodiscard]] Evidence evidence(const Outgoing& outgoing, Time now) const;
  void begin_evidence(Outgoing& outgoing, Time now) const;
  void look_at_evidence(Outgoing& outgoing, Time now) const;
  static void judge_span(Outgoing& outgoing, const Evidence& now);
  std::vector<LimitReport> final_limits(Outgoing& outgoing, Time now) const;
  static void note_pressure(Path& path, const PathMeter::Figures& figures, Time span);
  void tell_stages(Time now);
  void tell_stages(std::uint32_t transfer, const EndTimes& times, const std::vector<LimitReport>& limits);
  void take_stages(const protocol::Stages& told);
  void judge(Report& report, const Outgoing& outgoing, Time now) const;
  void judge(Report& report, const Incoming& incoming, Time now) const;

  // session_report.cc
  void sample(Time now);
  void report_progress(Time now);
  void tell_if_held_up(Time now);
  Report report_of(const Outgoing& outgoing, Time now) const;
  Report report_of(const Incoming& incoming, Time now) const;
  void add_paths(Report& report, double over_s) const;
  void close_report(Report& report) const;
  template <class Transfer>
  Report running_report(const Transfer& transfer, Time now) const;
  [[nodiscard]] Carried carried(std::size_t path) const;
  static const char* words_of(Use use);

  World& world_;
  Kit kit_;
  SessionSetup setup_;
  Mailbox<Mail> mailbox_;
  std::optional<Error> problem_;
  Time now_ = 0;

  // who
  bool dialler_ = false;
  TicketBook tickets_;
  bool tickets_unsaved_ = false;
  security::TicketId ticket_id_{};
  std::optional<security::TicketKey> ticket_key_;  ///< dialler; none: the listener knows this side's key
  std::optional<security::Identity> identity_;
  std::unique_ptr<wire::Guard> guard_;
  std::string ticket_text_;
  std::uint64_t peer_features_ = 0;                    ///< of this session's control connection
  std::string session_;                                ///< 16 bytes; empty: none yet
  security::Secret session_secret_{};                  ///< of TLS on the control connection that began the session
  Cipher cipher_ = Cipher::automatic;                  ///< what both sides agreed on for its streams
  std::string session_ticket_;                         ///< listener: the ticket that this session was admitted by
  std::optional<security::Fingerprint> session_peer_;  ///< control: whose session it is

  // connections
  std::vector<std::unique_ptr<wire::Listener>> listeners_;
  std::list<Greeting> greetings_;
  Time greetings_due_ = 0;
  struct Refusals {
    Time since = 0;
    unsigned told = 0;
    std::uint64_t untold = 0;
  };
  Refusals refusals_;  ///< of strangers, in the last minute
  ControlLink control_;
  Time control_next_try_ = 0;
  Time control_backoff_ = 0;
  std::size_t control_path_ = 0;  ///< the next to try
  std::size_t control_on_ = 0;    ///< dialler: where it is up, or was
  Time lost_since_ = 0;           ///< control is down since; 0: it is up, or nobody has come yet
  Time peer_busy_at_ = 0;         ///< when it last said that a disk holds it up; 0: never
  bool ever_up_ = false;
  std::string last_control_error_;
  std::vector<Path> paths_;
  bool excluded_told_ = false;                  ///< which paths this side's policy excludes
  std::map<std::string, FabricPlace> fabrics_;  ///< by provider that was asked for, and works here: the first place
  std::string treatment_problem_;               ///< last one that was told
  std::map<std::uint32_t, Stream> streams_;
  std::uint32_t next_stream_ = 1;
  IntervalSet session_streams_;  ///< numbers seen in this session: never reused
  std::vector<Worker*> workers_;
  std::vector<const Role*> file_roles_;  ///< feeders and storages of all transfers
  std::size_t next_worker_ = 0;

  // transfers
  std::map<std::uint32_t, Outgoing> outgoing_;
  std::map<std::uint32_t, Incoming> incoming_;
  std::deque<Incoming> waiting_receives_;
  std::deque<protocol::OpenTransfer> waiting_opens_;
  std::uint32_t next_transfer_ = 0;

  // live changes
  bool paused_ = false;               ///< what this side sends
  protocol::Standing peer_standing_;  ///< what the peer said of its side
  std::optional<paths::Timetable> timetable_;
  Time timetable_seen_at_ = 0;
  Rule rule_;                               ///< of this side
  Rule peer_rule_;                          ///< in this session
  std::optional<Rule> peer_rule_seen_;      ///< last, in any session
  std::optional<std::uint64_t> live_rate_;  ///< said while it ran: holds before both rules, until one of them changes
  paths::Allotter allotter_;
  Time allotted_at_ = 0;                          ///< 0: no cap is in force
  unsigned addresses_asked_ = 0;                  ///< listener: in this session
  bool addresses_to_ask_ = false;                 ///< dialler: in this session
  unsigned addresses_asks_ = 0;                   ///< dialler: in this run
  bool addresses_awaited_ = false;                ///< dialler: the peer was asked, and has not answered
  std::optional<std::vector<std::string>> told_;  ///< dialler: addresses that the peer has, not yet probed
  std::optional<Discovery> discovery_;            ///< dialler: under way
  Time discover_from_ = 0;
  paths::Budget budget_;
  Time budget_due_ = 0;
  std::string forecast_;  ///< empty: no budget, or not asked yet
  std::optional<double> forecast_end_s_;
  bool forecast_met_ = true;  ///< as it was told last
  Time forecast_told_at_ = 0;
  std::map<std::uint32_t, Asked> asked_;
  std::uint32_t next_request_ = 1;

  Time sampled_at_ = 0;
  Time looked_at_ = 0;   ///< at the health of streams
  Time watched_at_ = 0;  ///< at the health of paths
  Time streams_decided_at_ = 0;
  bool stopped_ = false;  ///< the stop flag has been seen
  bool shutting_down_ = false;
  Time shut_down_by_ = 0;
  bool finished_ = false;
};

}  // namespace longhaul::engine
