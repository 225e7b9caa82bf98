// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the monitor tells about a run: one JSON object a line on the debug port. Addresses and
// registers are strings ("0x..."), since JSON's numbers are not 64-bit integers everywhere; counts
// are numbers. The monitor handles what a hostile guest feeds it, so nothing here is believed
// blindly.
#pragma once

#include "x86/types.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vestibule::sevsim {

enum class OutcomeKind : u8 {
    exit,
    power_off,
    reset,
    terminate,
    unsupported_event,
    shutdown,
    stop, ///< by the machine, which cannot go on
    halt,
    host,  ///< asked for by us: why is in how QEMU ended
    limit, ///< it was entered as often as it may be
    monitor_error
};

/// As the monitor's records call it.
std::string_view name_of(OutcomeKind kind);

/// GHCB specification 2.3.1: the guest's termination request.
struct ReasonCodes {
    u8 set, code;
};

struct Outcome {
    OutcomeKind kind = OutcomeKind::monitor_error;
    u64 value        = 0; ///< of `exit` and `unsupported_event`: the guest's exit code
    std::string detail;
    std::optional<u64> page;           ///< that its exceptions need, and that is not validated
    std::optional<u64> idt_limit;      ///< of `shutdown`
    std::optional<ReasonCodes> reason; ///< of `terminate`, and of a `halt` behind that
    std::string last_words;            ///< of `terminate`: what the guest's GHCB page begins with
    std::optional<u64> vcpu;           ///< whose registers
    std::vector<std::pair<std::string, std::string>> registers;
    std::string code; ///< the bytes at RIP
    std::optional<u64> vmruns, vc, vmgexits, pvalidates, shared_pages;
    std::optional<u64> lies; ///< told, where the hypervisor was to
};

struct Start {
    std::string platform;
    u64 c_bit  = 0;
    u64 memory = 0;
    u64 vcpus  = 1;
    /// The time-stamp counter's frequency and its value as the guest starts, where they were
    /// wanted.
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::optional<u64> tsc_hz{}, time{};
};

/// All breaches of one rule.
struct Violation {
    std::string rule;
    u64 count = 0;
    std::string first_rip, first_detail;
};

/// Exits of one kind, by the way they were served.
struct ExitCount {
    u64 code = 0;
    std::string name;
    u64 vc = 0, ghcb = 0, msr_protocol = 0;
};

/// One of the last exits before a bad end; `count` alike in a row.
struct LastExit {
    std::string kind; ///< #VC, GHCB or MSR protocol
    u64 code = 0;
    std::string name;
    std::string rip;
    u64 count = 0;
};

/// So many #VCs that cost the guest the same: instructions, without VMGEXITs and the last IRET.
struct ProfileSample {
    u64 code = 0;
    std::string name;
    u64 before   = 0; ///< from the handler's entry to its first VMGEXIT
    u64 after    = 0; ///< from its last VMGEXIT to its IRET
    u64 total    = 0;
    u64 vmgexits = 0;
    u64 count    = 0;
};

/// So many VMGEXITs of a kind in one slice of time (sevsim/slice.h).
struct Slice {
    u64 at = 0;       ///< milliseconds since the start
    std::string kind; ///< GHCB or MSR protocol
    std::string name;
    u64 count = 0;
};

/// Something at one moment, by the time-stamp counter: a breach of a rule, a lie, the end of a line
/// of the guest's serial output.
struct Mark {
    enum class Kind : u8 { violation, lie, serial_line };

    Kind kind;
    u64 time = 0;
    std::string words; ///< rule or lie
};

/// So many pages from there on, in one state of the reverse map table (sevsim/page_states.h).
struct PageRun {
    u64 gpa   = 0;
    u64 pages = 0;
    std::string state;
};

/// All that a run has told.
struct RunRecords {
    std::optional<Start> start;
    std::vector<ExitCount> exits;
    std::vector<Violation> violations;
    std::vector<LastExit> last_exits; ///< oldest first
    std::vector<ProfileSample> profile;
    std::vector<Slice> slices;
    std::vector<Mark> marks; ///< the first of very many
    std::vector<PageRun> pages;
    std::optional<u64> unprofiled;   ///< #VCs of a profiled run that did not come back
    std::optional<u64> instructions; ///< the guest's, of a profiled run
    std::optional<u64> to_port;      ///< of these, before its first IN or OUT that raised #VC
    std::string dumped;              ///< what the last record has brought for the dump
    bool from_here_on = false;       ///< it has come to `--from N`
    std::optional<u64> index;        ///< of a run in a batch: which plan's
    std::vector<u16> edges;          ///< likewise: pairs of exits that it has brought, ascending
    std::string serial;              ///< likewise: what it has written to its serial port
    std::optional<Outcome> outcome;
    u64 malformed = 0; ///< lines that are no record: what they should have said is lost
};

/// Makes RunRecords of the bytes that come.
class RecordReader {
  public:
    using Sink = std::function<void(std::string_view text)>;

    static constexpr std::size_t longest_line = 65'536;

    /// `trace` and `dump` (may be empty) get the lines of the trace and the guest's bytes,
    /// `complain` what cannot be read.
    RecordReader(Sink trace, Sink complain, Sink dump = {})
        : trace_{std::move(trace)}, complain_{std::move(complain)}, dump_{std::move(dump)} {}

    void take(std::string_view bytes);

    /// In a batch: takes all that one run has told, when it has told its outcome, and begins anew.
    void each_run(std::function<void(RunRecords)> take) { take_run_ = std::move(take); }

    /// What has ended the records. Where QEMU was stopped, in the middle of a line as likely as
    /// not, that line was never said; where it ended by itself, it is malformed.
    enum class End : u8 { by_itself, stopped };

    /// No more will come.
    void finish(End end);

    const RunRecords& records() const { return records_; }

  private:
    void take_line(std::string_view line);
    void malformed(std::string_view line, std::string_view why);

    Sink trace_, complain_, dump_;
    std::function<void(RunRecords)> take_run_;
    RunRecords records_;
    std::string line_;
    bool overlong_ = false; ///< skipping what is left of a line that was too long
};

} // namespace vestibule::sevsim
