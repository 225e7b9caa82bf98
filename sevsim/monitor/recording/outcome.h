// SPDX-License-Identifier: BSD-2-Clause-Patent
// How a run ends: the last records, then QEMU's exit port.
#pragma once

#include "sevsim/monitor/recording/records.h"
#include "sevsim/rules.h"
#include "x86/types.h"

#include <string_view>

namespace vestibule::sevsim {

struct Vcpu;

/// The guest's port for its exit code: QEMU's isa-debug-exit.
inline constexpr u16 debug_exit_port = 0xF4;

/// A termination request: reason set and code (GHCB specification, section 2.3.1).
struct EndRequest {
    u8 set;
    u8 code;
};

/// Of the MSR protocol: the set in [15:12], the code in [23:16].
constexpr EndRequest end_request_of(u64 request) {
    return {.set = static_cast<u8>((request >> 12) & 0xF), .code = static_cast<u8>(request >> 16)};
}

/// Kinds of exits in the table that the host prints.
enum class Served : u8 { vc, ghcb, msr_protocol };

/// What the records call it.
const char* name_of(Served kind);

/// Counts one exit of a kind. `name` must be a literal.
void count(Served kind, u64 code, const char* name);

/// A rule that the guest broke: always reported, and the guest's own exit status no longer counts.
void report_violation(Rule rule, const char* detail);

/// The same of code elsewhere.
void report_violation(Rule rule, const char* detail, u64 rip);

/// What came before is not what this run is about: no breach of a rule, none of the last exits.
void forget_breaches();

/// While there is one, the hypervisor serves what the guest has not asked for: no rule that this
/// breaks is one that the guest has broken.
class Unasked {
  public:
    explicit Unasked(bool is_unasked);
    Unasked(const Unasked&)            = delete;
    Unasked& operator=(const Unasked&) = delete;
    ~Unasked();

  private:
    bool outer;
};

/// A lie that the hypervisor has told, or an attack; traced where that is wanted.
void report_lie(const char* name, bool traced);

/// From here on the ends of runs can show this vCPU.
void set_reported_vcpu(Vcpu& vcpu);

/// Whose exit is served, and when it left the guest: the members "vcpu" and "time".
void add_moment(Record& record);

/// Ends QEMU, without another word.
[[noreturn]] void leave_qemu();

// Each ends the run; "value" and reason are the guest's.
[[noreturn]] void end_run_by_exit(u64 value);
[[noreturn]] void end_run_by_power_off();
[[noreturn]] void end_run_by_reset();
/// `page`: the GHCB that the guest last used, in which it may have left word; nullptr if none.
[[noreturn]] void end_run_by_termination(u8 reason_set, u8 reason_code, const u8* page);
[[noreturn]] void end_run_by_shutdown(std::string_view detail);
[[noreturn]] void end_run_by_halt(std::string_view detail);
/// Behind a request for the guest's end that nobody obeyed.
[[noreturn]] void end_run_by_unheard_halt(const EndRequest& asked);
[[noreturn]] void end_run_by_stop(std::string_view detail); // what no machine can go on from
/// Likewise, of `kind`: its exceptions need a page that is not validated (SEV-SNP).
[[noreturn]] void end_run_by_lost_page(const char* kind, std::string_view detail, u64 page);
[[noreturn]] void end_run_by_host();  // it has waited long enough, and wants to see what there is
[[noreturn]] void end_run_by_limit(); // of entries (Options::limit)
[[noreturn]] void end_run_by_unsupported_event(u64 exit_code, u64 extra);
[[noreturn]] void end_run_by_monitor_error(std::string_view detail);

} // namespace vestibule::sevsim
