// SPDX-License-Identifier: BSD-2-Clause-Patent
// What is called kept lies in sections of its own (linker/monitor.ld), which is not taken back.
#include "sevsim/monitor/batch.h"

#include "sevsim/monitor/devices.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "sevsim/monitor/memory/own_tables.h"
#include "sevsim/monitor/multiboot.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"
#include "sevsim/plan.h"
#include "x86/cpu.h"

using namespace vestibule;

extern "C" {
// linker/monitor.ld: what of the monitor changes while it runs.
extern u8 monitor_data[];
extern u8 monitor_load_end[];
extern u8 monitor_bss[];
extern u8 monitor_end[];
extern u8 stack_top[]; // start.asm: where monitor_main has begun

/// restart.asm: calls a function that does not come back, on another stack.
[[noreturn]] void continue_on_stack(u8* stack_end, void (*function)());
}

namespace vestibule::sevsim::batch {

namespace {

/// Memory that is to be as it was.
struct Piece {
    u8* at;
    u64 size;
    u8* copy;

    void keep() {
        copy = static_cast<u8*>(allocate_pages((size + page_size - 1) / page_size));
        memcpy(copy, at, size);
    }

    void take_back() const { memcpy(at, copy, size); }
};

struct Kept {
    bool under_way;
    Start start;
    Options options;
    PlanReader plans{nullptr, 0};
    u64 runs;
    u64 first_tsc; // when the first one started
    Piece guests[32];
    u64 guest_pieces;
    Piece own[2];
};

[[gnu::section(".data.kept")]] constinit Kept kept{};

constexpr u64 stack_size = 16384;
alignas(16) [[gnu::section(".bss.kept")]] constinit u8 kept_stack[stack_size]{};

void keep(u8* at, u64 size) {
    if (kept.guest_pieces == sizeof kept.guests / sizeof kept.guests[0]) {
        end_run_by_monitor_error("--plans: firmware has reserved too many pieces of memory");
    }
    Piece& piece = kept.guests[kept.guest_pieces++];
    piece        = {.at = at, .size = size, .copy = nullptr};
    piece.keep();
}

/// Of what SeaBIOS has left in memory a kernel is handed on what loading/kernel.cpp reads.
void keep_low_memory(const Options& options, const MultibootInformation& information) {
    constexpr u64 low_end = 0x10'0000;
    keep(layout::at_physical(0), nested::video_begin);
    keep(layout::at_physical(nested::video_end), low_end - nested::video_end);
    const u64 end = u64{information.memory_map} + information.memory_map_size;
    for (u64 at = information.memory_map; at < end;) {
        MultibootMemory range{};
        memcpy(&range, layout::at_physical(at), sizeof range);
        at += range.size + sizeof range.size;
        if (range.type != MultibootMemory::usable && range.address >= low_end
            && range.address + range.length <= options.map().low) {
            keep(layout::at_physical(range.address), range.length);
        }
    }
}

void start_run() {
    kept.start(kept.options);
    end_run_by_monitor_error("a run has not ended");
}

[[noreturn]] void begin_next() {
    if (!kept.plans.next(kept.options.hostile)) {
        if (kept.plans.wrong() != nullptr) {
            kept.under_way = false;
            end_run_by_monitor_error("a plan is not understood");
        }
        leave_qemu();
    }
    const u64 now           = x86::Cpu::rdtsc();
    kept.first_tsc          = kept.runs == 0 ? now : kept.first_tsc;
    kept.options.tsc_offset = kept.first_tsc - now; // a guest sees no time but its own run's
    Record("run").number("index", kept.runs++).end();
    continue_on_stack(stack_top, start_run);
}

/// On a stack that is not taken back. The monitor's page tables are among what is: they are written
/// over with what they hold, but for entries of far devices, which nobody has looked at by then.
void take_all_back() {
    devices::take_back();
    for (const Piece& piece : kept.own) {
        piece.take_back();
    }
    load_own_tables();
    for (u64 n = 0; n < kept.guest_pieces; ++n) {
        kept.guests[n].take_back();
    }
    begin_next();
}

} // namespace

void begin(const Options& options, const Machine& machine, std::span<const u8> plans, Start start) {
    kept.start   = start;
    kept.options = options;
    kept.plans   = PlanReader{reinterpret_cast<const char*>(plans.data()), plans.size()};
    devices::keep();
    if (options.guest == GuestKind::kernel) {
        keep_low_memory(options, machine.information);
    } else if (options.guest == GuestKind::firmware) {
        keep(machine.files.guest.data(), machine.files.guest.size()); // which becomes the guest's
    }
    kept.own[0] = {.at   = monitor_data,
                   .size = static_cast<u64>(monitor_load_end - monitor_data),
                   .copy = nullptr};
    kept.own[1] = {
        .at = monitor_bss, .size = static_cast<u64>(monitor_end - monitor_bss), .copy = nullptr};
    // Both have to know that the copies of both are there, so the memory comes first.
    for (Piece& piece : kept.own) {
        piece.copy = static_cast<u8*>(allocate_pages((piece.size + page_size - 1) / page_size));
    }
    for (const Piece& piece : kept.own) {
        memcpy(piece.copy, piece.at, piece.size);
    }
    kept.under_way = true;
    begin_next();
}

bool is_under_way() { return kept.under_way; }

void go_on() { continue_on_stack(kept_stack + stack_size, take_all_back); }

} // namespace vestibule::sevsim::batch
