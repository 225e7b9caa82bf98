// SPDX-License-Identifier: BSD-2-Clause-Patent
// How many instructions the cipher takes for a key and for a report, counted one by one: each traps
// (RFLAGS.TF), which takes half as long as stepping a child by ptrace. Compiled as a guest is.
// Prints them, and fails above the budget (docs/budgets.md).
#include "snp/guest_message.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

using namespace vestibule;

namespace {

constexpr u16 report_request_size = 96;
constexpr u16 report_answer_size  = 32 + 1184;
constexpr u16 largest_size        = snp::most_payload; // a page with its header

crypto::AesGcm key;
snp::Message request;
snp::Message answer;
u8 payload[largest_size];

void set_key() {
    const u8 bytes[crypto::AesGcm::key_size] = {1};
    key.set_key(bytes);
}

void seal_request() {
    seal_message(key, 0, 1,
                 {.type    = snp::MessageType::report_request,
                  .version = 1,
                  .payload = payload,
                  .size    = report_request_size},
                 request);
}

void open_report() {
    if (!open_answer(key, request.header, answer)) {
        std::abort();
    }
}

/// What the secure processor would answer.
void make_answer() {
    seal_message(key, 0, 2,
                 {.type    = static_cast<snp::MessageType>(6),
                  .version = 1,
                  .payload = payload,
                  .size    = report_answer_size},
                 answer);
}

void seal_largest() {
    seal_message(key, 0, 1,
                 {.type    = snp::MessageType::report_request,
                  .version = 1,
                  .payload = payload,
                  .size    = largest_size},
                 request);
}

void make_largest_answer() {
    seal_message(key, 0, 2,
                 {.type    = static_cast<snp::MessageType>(6),
                  .version = 1,
                  .payload = payload,
                  .size    = largest_size},
                 answer);
}

struct Row {
    const char* what;
    void (*before)();
    void (*counted)();
    long budget;
};

constexpr Row rows[] = {
    {"set_key",               [] {},   set_key,      50'000   },
    {"seal a report request", set_key, seal_request, 60'000   },
    {"open a report",
     [] {
         set_key();
         seal_request();
         make_answer();
     },                                open_report,  300'000  },
    {"seal 4,000 bytes",      set_key, seal_largest, 1'000'000},
    {"open 4,000 bytes",
     [] {
         set_key();
         seal_request();
         make_largest_answer();
     },                                open_report,  1'000'000},
};

volatile long steps = 0;

void on_trap(int) { steps = steps + 1; }

/// Sets or clears RFLAGS.TF, beside the red zone.
void set_trap_flag(bool on) {
    constexpr u64 trap_flag = 1 << 8;
    const u64 set           = on ? trap_flag : 0;
    asm volatile("lea -128(%%rsp), %%rsp\n\t"
                 "pushfq\n\t"
                 "andq %0, (%%rsp)\n\t"
                 "orq %1, (%%rsp)\n\t"
                 "popfq\n\t"
                 "lea 128(%%rsp), %%rsp"
                 :
                 : "r"(~trap_flag), "r"(set)
                 : "cc", "memory");
}

long count(const Row& row) {
    row.before();
    steps = 0;
    set_trap_flag(true);
    row.counted();
    set_trap_flag(false);
    return steps;
}

} // namespace

int main() {
    if (std::signal(SIGTRAP, on_trap) == SIG_ERR) {
        std::perror("SIGTRAP");
        return 1;
    }
    bool good = true;
    for (const Row& row : rows) {
        const long instructions = count(row);
        std::printf("%s: %ld instructions, budget %ld\n", row.what, instructions, row.budget);
        good = good && instructions > 0 && instructions <= row.budget;
    }
    return good ? 0 : 1;
}
