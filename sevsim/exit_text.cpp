// SPDX-License-Identifier: BSD-2-Clause-Patent
// See exit_text.h.
#include "sevsim/exit_text.h"

#include "sevsim/report.h"
#include "x86/exit_code.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

using x86::ExitCode;

/// EXITINFO1 of an IOIO exit.
struct PortAccess {
    explicit PortAccess(u64 info)
        : in((info & 1) != 0), string((info & 4) != 0), repeated((info & 8) != 0),
          size(static_cast<unsigned>(info >> 4 & 7)), port(static_cast<u16>(info >> 16)) {}

    bool in, string, repeated;
    unsigned size; // in bytes
    u16 port;

    [[nodiscard]] u64 part(u64 rax) const {
        return size == 1 ? rax & 0xFF : size == 2 ? rax & 0xFFFF : rax & 0xFFFF'FFFF;
    }
};

/// What a port takes that is written to for somebody to read: COM1 to COM4, debug consoles.
bool is_console(u16 port) {
    constexpr u16 consoles[] = {0x3F8, 0x2F8, 0x3E8, 0x2E8, 0xE9, 0x402};
    return std::ranges::count(consoles, port) != 0;
}

/// "'H'", or "0x48".
std::string value_text(const PortAccess& access, u64 rax) {
    const u64 value = access.part(rax);
    if (access.size == 1 && is_console(access.port)) {
        if (value == '\n' || value == '\r') {
            return value == '\n' ? "'\\n'" : "'\\r'";
        }
        if (value >= ' ' && value <= '~') {
            return fmt::format("'{}'", static_cast<char>(value));
        }
    }
    return fmt::format("{:#x}", value);
}

/// Of a #VC the registers are the guest's, of a VMGEXIT what it gives away.
u64 high_low(const TraceRecord& record, const char* high, const char* low) {
    return record.number(high) << 32 | (record.number(low) & 0xFFFF'FFFF);
}

std::string ioio_text(const TraceRecord& record) {
    const PortAccess access(record.number("info1"));
    if (access.string) {
        const std::string count =
            record.kind() == "vmgexit" ? fmt::format(", {} times", record.number("info2")) : "";
        return fmt::format("{}{} {:#x}, {} bytes{}", access.repeated ? "rep " : "",
                           access.in ? "ins" : "outs", access.port, access.size, count);
    }
    return access.in ? fmt::format("in {:#x}{}", access.port,
                                   access.size == 1 ? "" : fmt::format(", {} bytes", access.size))
                     : fmt::format("out {:#x}, {}", access.port,
                                   value_text(access, record.number("rax")));
}

std::string msr_text(const TraceRecord& record) {
    return record.number("info1") != 0 ? fmt::format("wrmsr {:#x}, {:#x}", record.number("rcx"),
                                                     high_low(record, "rdx", "rax"))
                                       : fmt::format("rdmsr {:#x}", record.number("rcx"));
}

} // namespace

std::string exit_text(const TraceRecord& record) {
    const u64 code = record.number("code");
    switch (static_cast<ExitCode>(code)) {
    case ExitCode::ioio: return ioio_text(record);
    case ExitCode::cpuid:
        return fmt::format("cpuid {:#x}.{:x}", record.number("rax") & 0xFFFF'FFFF,
                           record.number("rcx") & 0xFFFF'FFFF);
    case ExitCode::msr: return msr_text(record);
    default: break;
    }
    std::string text = printable(record.text("name"));
    if (record.kind() == "vmgexit") {
        text += fmt::format(" ({:#x}, {:#x})", record.number("info1"), record.number("info2"));
    }
    return text;
}

std::string answer_text(const TraceRecord& record) {
    const u64 code = record.number("code");
    // Section 4.1.7: an exception, or an error, in the lower half.
    if (const u64 outcome = record.number("answer_info1") & 0xFFFF'FFFF; outcome != 0) {
        return fmt::format(" = {} {:#x}", outcome == 1 ? "exception" : "refused",
                           record.number("answer_info2"));
    }
    switch (static_cast<ExitCode>(code)) {
    case ExitCode::ioio: {
        const PortAccess access(record.number("info1"));
        return access.in && !access.string
                   ? fmt::format(" -> {}", value_text(access, record.number("answer_rax")))
                   : "";
    }
    case ExitCode::cpuid:
        return fmt::format(" -> {:#x} {:#x} {:#x} {:#x}", record.number("answer_rax"),
                           record.number("answer_rbx"), record.number("answer_rcx"),
                           record.number("answer_rdx"));
    case ExitCode::msr:
        return record.number("info1") != 0
                   ? ""
                   : fmt::format(" -> {:#x}", high_low(record, "answer_rdx", "answer_rax"));
    case ExitCode::rdtsc:
    case ExitCode::rdpmc:
        return fmt::format(" -> {:#x}", high_low(record, "answer_rdx", "answer_rax"));
    default: break;
    }
    return record.number("answer_info2") != 0
               ? fmt::format(" -> {:#x}", record.number("answer_info2"))
               : "";
}

} // namespace vestibule::sevsim
