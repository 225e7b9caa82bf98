// SPDX-License-Identifier: BSD-2-Clause-Patent
// How many instructions the cipher takes for a key and for a report, counted one by one: a child is
// stepped through them. Compiled as a guest is. Prints them, and fails above the budget
// (docs/budgets.md).
#include "snp/guest_message.h"

#include <cstdio>
#include <cstdlib>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

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

/// Instructions between two signals that the child sends itself.
long count(const Row& row) {
    const pid_t child = fork();
    if (child == 0) {
        row.before();
        ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        raise(SIGUSR1);
        row.counted();
        raise(SIGUSR2);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    long steps = 0;
    for (;;) {
        ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
            break;
        }
        ++steps;
    }
    const bool is_done = WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR2;
    ptrace(PTRACE_KILL, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    return is_done ? steps : -1;
}

} // namespace

int main() {
    bool good = true;
    for (const Row& row : rows) {
        const long instructions = count(row);
        std::printf("%s: %ld instructions, budget %ld\n", row.what, instructions, row.budget);
        good = good && instructions > 0 && instructions <= row.budget;
    }
    return good ? 0 : 1;
}
