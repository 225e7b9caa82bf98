// SPDX-License-Identifier: BSD-2-Clause-Patent
// Ports in user mode: IOPL and the I/O permission map of the TSS decide (APM volume 2, section
// 12.2.5; volume 1, section 3.8.3), and then the kernel's hook. Each row is executed, where the CPU
// looks at both before it raises #VC, and once more as a hypervisor would forge it: a #VC at the
// same instruction that the CPU has not looked at. Exit code 0 if both end alike.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u8 gp        = x86::exception::general_protection;
constexpr u64 iopl3    = u64{3} << 12;
constexpr u16 no_map   = 0xFFFF;
constexpr u16 map_base = sizeof(x86::TaskState);
constexpr u64 ioio     = 0x7B;

constinit unsigned asked     = 0;
constinit unsigned asked_for = 0;
constinit unsigned rows      = 0;

int user_may(const vestibule_user_request* request) {
    ++asked;
    asked_for = request->port;
    return 1;
}

struct Row {
    char what[30]; // no pointer, which would have to be relocated
    u8 code[4];
    u8 length;
    u16 port;
    u64 iopl;
    u16 base;        // of the map
    unsigned bytes;  // of it that the TSS's limit covers
    unsigned denied; // a port whose bit is set; no_port: none
    bool allowed;
};

constexpr u64 code_segments[] = {user_code64, user_code32};

constexpr unsigned no_port = ~0U;
constexpr unsigned whole   = 8193;

constexpr Row table[] = {
    {"IN AL, DX, IOPL 3",             {0xEC},             1, 0x81,   iopl3, no_map,   0,     no_port, true },
    {"IN AL, DX, no map",             {0xEC},             1, 0x81,   0,     no_map,   0,     no_port, false},
    {"IN AL, DX, map beyond limit",   {0xEC},             1, 0x81,   0,     map_base, 0,     no_port, false},
    {"IN AL, DX, map of zeroes",      {0xEC},             1, 0x81,   0,     map_base, whole, no_port, true },
    {"IN AL, DX, port denied",        {0xEC},             1, 0x81,   0,     map_base, whole, 0x81,    false},
    {"IN AL, DX, denied but IOPL 3",  {0xEC},             1, 0x81,   iopl3, map_base, whole, 0x81,    true },
    {"IN AL, DX, port below denied",  {0xEC},             1, 0x81,   0,     map_base, whole, 0x80,    true },
    {"IN AL, DX, port above denied",  {0xEC},             1, 0x81,   0,     map_base, whole, 0x82,    true },
    {"OUT DX, AL",                    {0xEE},             1, 0x82,   0,     map_base, whole, no_port, true },
    {"OUT DX, AL, no map",            {0xEE},             1, 0x82,   0,     no_map,   0,     no_port, false},
    {"OUT DX, AL, port denied",       {0xEE},             1, 0x82,   0,     map_base, whole, 0x82,    false},
    {"OUT imm8, AL",                  {0xE6, 0x83},       2, 0,      0,     map_base, whole, no_port, true },
    {"OUT imm8, AL, port denied",     {0xE6, 0x83},       2, 0,      0,     map_base, whole, 0x83,    false},
    {"OUT imm8, AL, no map",          {0xE6, 0x83},       2, 0,      0,     no_map,   0,     no_port, false},
    {"IN AL, imm8, port denied",      {0xE4, 0x83},       2, 0,      0,     map_base, whole, 0x83,    false},
    {"IN EAX, DX, first denied",      {0xED},             1, 0x81,   0,     map_base, whole, 0x81,    false},
    {"IN EAX, DX, last denied",       {0xED},             1, 0x81,   0,     map_base, whole, 0x84,    false},
    {"IN EAX, DX, next byte's bit",   {0xED},             1, 0x86,   0,     map_base, whole, 0x89,    false},
    {"IN EAX, DX, port above denied", {0xED},             1, 0x81,   0,     map_base, whole, 0x85,    true },
    {"IN AX, DX, last denied",        {0x66, 0xED},       2, 0x87,   0,     map_base, whole, 0x88,    false},
    {"OUT DX, EAX, last denied",      {0xEF},             1, 0x81,   0,     map_base, whole, 0x84,    false},
    {"IN AL, DX, map ends before",    {0xEC},             1, 0x81,   0,     map_base, 0x10,  no_port, false},
    {"IN AL, DX, second byte beyond", {0xEC},             1, 0x81,   0,     map_base, 0x11,  no_port, false},
    {"IN AL, DX, second byte within", {0xEC},             1, 0x81,   0,     map_base, 0x12,  no_port, true },
    {"IN AL, DX, last port",          {0xEC},             1, 0xFFFF, 0,     map_base, whole, no_port, true },
    {"OUTSB",                         {0x6E},             1, 0x81,   0,     map_base, whole, no_port, true },
    {"OUTSB, no map",                 {0x6E},             1, 0x81,   0,     no_map,   0,     no_port, false},
    {"OUTSB, port denied",            {0x6E},             1, 0x81,   0,     map_base, whole, 0x81,    false},
    {"OUTSD, last denied",            {0x6F},             1, 0x81,   0,     map_base, whole, 0x84,    false},
    {"REP OUTSB, port denied",        {0xF3, 0x6E},       2, 0x81,   0,     map_base, whole, 0x81,    false},
    {"REP OUTSB",                     {0xF3, 0x6E},       2, 0x81,   0,     map_base, whole, no_port, true },
    {"INSB, no map",                  {0x6C},             1, 0x81,   0,     no_map,   0,     no_port, false},
    {"INSB, port denied",             {0x6C},             1, 0x81,   0,     map_base, whole, 0x81,    false},
    {"REP INSW, last denied",         {0x66, 0xF3, 0x6D}, 3, 0x81,   0,     map_base, whole, 0x82,    false},
};

u64 data() { return reinterpret_cast<u64>(machine.user_stack); }

/// MOV ECX, 1; MOV ESI, data; MOV EDI, data; the instruction; INT 0x80. Returns where that stands.
u64 write_code(const Row& row) {
    u8* to             = machine.user_code;
    const u64 values[] = {1, data(), data()};
    const u8 opcodes[] = {0xB9, 0xBE, 0xBF};
    for (unsigned n = 0; n < 3; ++n) {
        *to++ = opcodes[n];
        for (unsigned shift = 0; shift < 32; shift += 8) {
            *to++ = static_cast<u8>(values[n] >> shift);
        }
    }
    const auto at = reinterpret_cast<u64>(to);
    for (unsigned n = 0; n < row.length; ++n) {
        *to++ = row.code[n];
    }
    *to++ = 0xCD;
    *to++ = 0x80;
    return at;
}

void execute(const Row& row, u64 cs) {
    const u64 at          = write_code(row);
    const unsigned before = machine.seen.count;
    asked                 = 0;
    machine.skip          = row.length;
    u64 rax_rdx[2]        = {0x5A, row.port};
    enter_user(reinterpret_cast<u64>(machine.user_code), data() + page_size, cs, user_data,
               x86::rflags::reserved_one | row.iopl, rax_rdx);
    machine.skip       = 0;
    const bool refused = machine.seen.count != before;
    check(refused != row.allowed && asked == (row.allowed ? 1U : 0U)
              && (!refused || (machine.seen.vector == gp && machine.seen.frame.rip == at)),
          row.what);
}

void forge(const Row& row, u64 cs) {
    const u64 at = write_code(row);
    vestibule_frame frame{};
    frame.rax        = 0x5A;
    frame.rcx        = 1;
    frame.rdx        = row.port;
    frame.rsi        = data();
    frame.rdi        = data();
    frame.error_code = ioio;
    frame.rip        = at;
    frame.cs         = cs;
    frame.rflags     = x86::rflags::reserved_one | row.iopl;
    frame.rsp        = data() + page_size;
    frame.ss         = user_data;
    asked            = 0;
    const u8 vector  = serve(frame);
    const bool done  = vector == 0 && frame.rip == at + row.length;
    check(row.allowed ? done && asked == 1 : vector == gp && frame.rip == at && asked == 0,
          row.what);
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.user_may        = user_may;
    start_library(setup);
    load_user_data();
    say("user ports");
    for (const u64 cs : code_segments) {
        for (const Row& row : table) {
            machine.task.io_map_base = row.base;
            limit_task(row.bytes);
            if (row.denied != no_port) {
                machine.io_map[row.denied / 8] = static_cast<u8>(1U << row.denied % 8);
            }
            execute(row, cs);
            forge(row, cs);
            if (row.denied != no_port) {
                machine.io_map[row.denied / 8] = 0;
            }
            ++rows;
        }
    }
    check(rows == 2 * sizeof(table) / sizeof(table[0]), "rows");
    say("done");
    end_run();
}
