// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC on its IST stack, and the exceptions that end up at the kernel's own handlers: from CPL 0 and
// CPL 3, by gates with and without an IST, as the CPU would have delivered them (APM volume 2,
// section 8.9). Exit code 0 if all is as it should be.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u32 unknown_msr     = 0x1234'5678;
constexpr u8 gp               = x86::exception::general_protection;
constexpr u64 user_rsp_offset = 0x800;
constexpr u64 gp_frame        = 6 * sizeof(u64); // with the error code
constexpr u64 iopl3           = u64{3} << 12;
constexpr u16 line_status     = 0x3FD;

struct Asked {
    unsigned count;
    u64 exit_code;
    unsigned port;
    unsigned size;
    unsigned is_in;
    const void* opaque;
    u64 rip;
};

constinit Asked asked{};
constinit int answer = 0;

int user_may(const vestibule_user_request* request) {
    asked = {.count     = asked.count + 1,
             .exit_code = request->exit_code,
             .port      = request->port,
             .size      = request->size,
             .is_in     = request->is_in,
             .opaque    = request->opaque,
             .rip       = request->frame->rip};
    return answer;
}

u64 user_rip() { return reinterpret_cast<u64>(machine.user_code); }

u64 user_rsp() { return reinterpret_cast<u64>(machine.user_stack) + user_rsp_offset; }

/// Instruction, then INT 0x80.
template <unsigned length>
void write_user_code(const u8 (&instruction)[length]) {
    x86::Cpu::allow_user_access();
    for (unsigned n = 0; n < length; ++n) {
        machine.user_code[n] = instruction[n];
    }
    machine.user_code[length]     = 0xCD;
    machine.user_code[length + 1] = 0x80;
    x86::Cpu::forbid_user_access();
}

/// One user instruction, then INT 0x80; RAX behind it.
template <unsigned length>
u64 run_user(const u8 (&instruction)[length], u64 rax, u64 rdx, u64 cs = user_code64) {
    write_user_code(instruction);
    u64 rax_rdx[2] = {rax, rdx};
    enter_user(user_rip(), user_rsp(), cs, user_data, x86::rflags::reserved_one | iopl3, rax_rdx);
    return rax_rdx[0];
}

void vc_has_a_stack() {
    const x86::CpuidResult wanted = x86::Cpu::cpuid(0);
    u32 registers[4]              = {};
    cpuid_without_stack(registers);
    check(registers[0] == wanted.eax && registers[1] == wanted.ebx && registers[2] == wanted.ecx
              && registers[3] == wanted.edx,
          "CPUID without a stack gave something else");
}

/// RDMSR of a register that is not there, with the stack pointer `rsp`; its handler's stack should
/// begin at `stack`.
void kernel_gp(u64 rsp, u64 stack, const char* what) {
    const unsigned before = machine.seen.count;
    machine.skip          = 2;
    const u64 value       = rdmsr_of(unknown_msr, rsp);
    const vc::Frame& seen = machine.seen.frame;
    constexpr u64 rflags  = x86::rflags::reserved_one | x86::rflags::cf;
    constexpr u64 known   = x86::rflags::status | x86::rflags::interrupt | x86::rflags::tf | 2;
    check(machine.seen.count == before + 1 && machine.seen.vector == gp && seen.error_code == 0
              && seen.rip == reinterpret_cast<u64>(rdmsr_here) && seen.cs == boot::code64_selector
              && seen.rsp == rsp && seen.ss == boot::data_selector
              && (seen.rflags & known & ~(x86::rflags::status ^ x86::rflags::cf)) == rflags
              && machine.seen.handler_rsp == (stack & ~u64{15}) - gp_frame
              && value == 0x2222'2222'1111'1111,
          what);
}

void user_exception(u8 vector, u64 cs, u64 stack, const char* what) {
    const vc::Frame& seen = machine.seen.frame;
    check(machine.seen.vector == vector && seen.rip == user_rip() && seen.cs == cs
              && seen.rsp == user_rsp() && seen.ss == user_data && (seen.rflags & iopl3) == iopl3
              && (vector != gp || seen.error_code == 0) && machine.seen.handler_rsp == stack,
          what);
}

void user_ports(u64 cs, const char* what) {
    constexpr u8 in_al_dx[]  = {0xEC};
    constexpr u8 out_dx_al[] = {0xEE};
    answer                   = 1;
    unsigned before          = asked.count;
    check((run_user(in_al_dx, 0x5555'5500, line_status, cs) & ~u64{0xFF}) == 0x5555'5500
              && asked.count == before + 1 && asked.exit_code == 0x7B && asked.port == line_status
              && asked.size == 1 && asked.is_in == 1 && asked.opaque == &machine
              && asked.rip == user_rip(),
          what);
    run_user(out_dx_al, 0x3C, 0x81, cs);
    check(x86::Cpu::in8(0x81) == 0x3C && asked.is_in == 0 && asked.port == 0x81,
          "OUT from user mode");
    answer       = 0;
    before       = machine.seen.count;
    machine.skip = 1;
    check(run_user(in_al_dx, 0x5555'5555, line_status, cs) == 0x5555'5555
              && machine.seen.count == before + 1,
          "IN that user mode may not do");
    user_exception(gp, cs, end_of(machine.kernel_stack) - gp_frame, "#GP from user mode");
    machine.idt[gp].ist = fault_ist;
    machine.skip        = 1;
    run_user(out_dx_al, 0, 0x81, cs);
    user_exception(gp, cs, end_of(machine.fault_stack) - gp_frame, "#GP from user mode, IST");
    machine.idt[gp].ist = 0;
    check(x86::Cpu::in8(0x81) == 0x3C, "OUT that user mode may not do was done");
}

void user_hypercall(u64 cs) {
    constexpr u8 vmmcall[] = {0x0F, 0x01, 0xD9};
    answer                 = 1;
    unsigned before        = machine.seen.count;
    (void)run_user(vmmcall, 0, 0, cs);
    check(machine.seen.count == before && asked.exit_code == 0x81 && asked.port == 0,
          "VMMCALL from user mode");
    answer       = 0;
    machine.skip = 3;
    (void)run_user(vmmcall, 0, 0, cs);
    check(machine.seen.count == before + 1, "VMMCALL that user mode may not do");
    user_exception(x86::exception::invalid_opcode, cs,
                   end_of(machine.kernel_stack) - 5 * sizeof(u64), "#UD from user mode");
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    constexpr u64 code_segments[] = {user_code64, user_code32};
    start_machine();
    vestibule_setup setup = good_setup();
    setup.user_may        = user_may;
    setup.opaque          = &machine;
    start_library(setup);

    vc_has_a_stack();
    const u64 stack = user_rsp(); // any memory
    kernel_gp(stack, stack, "#GP on the interrupted stack");
    kernel_gp(stack + 5, stack + 5, "#GP on an interrupted stack that is not aligned");
    machine.idt[gp].ist = fault_ist;
    kernel_gp(stack, end_of(machine.fault_stack), "#GP on an IST stack");
    kernel_gp(0x123, end_of(machine.fault_stack), "#GP on an IST stack, without another");
    machine.idt[gp].ist = 0;

    // With SMAP on: the library looks at user code, which it may, and nobody else does.
    asm volatile("mov %0, %%cr4" : : "r"(x86::Cpu::cr4() | x86::cr4::smap) : "memory");
    for (const u64 cs : code_segments) {
        constexpr u8 cpuid[] = {0x0F, 0xA2};
        check(run_user(cpuid, 0, 0, cs) == x86::Cpu::cpuid(0).eax, "CPUID from user mode");
        user_ports(cs, "IN from user mode");
        user_hypercall(cs);
    }
    // A process may put anything into its stack pointer, the #VC stack's address too.
    constexpr u8 cpuid[] = {0x0F, 0xA2};
    write_user_code(cpuid);
    u64 rax_rdx[2] = {};
    enter_user(user_rip(), machine.task.ist[vc_ist - 1U] - 0x200, user_code64, user_data,
               x86::rflags::reserved_one, rax_rdx);
    check(rax_rdx[0] == x86::Cpu::cpuid(0).eax, "CPUID with the #VC stack in RSP");
    say("exceptions: done");
    end_run();
}
