// SPDX-License-Identifier: BSD-2-Clause-Patent
// See call_text.h. One row a request: its name, and how to read its argument.
#include "kvm/call_text.h"

#include "ghcb/termination.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <span>

namespace vestibule::kvm {

namespace {
constexpr u64 number_of(abi::Sev command) { return static_cast<u64>(command); }

/// What an argument holds, as its words in order: "name:N" is a number of N bytes, "name@" an
/// address, "_N" are N bytes of no interest, and what stands behind "*" is there as often as the
/// first number says. "#" is an argument that is a number itself, "!" a command of the kind below.
struct Row {
    u64 request;
    std::string_view name;
    std::string_view layout;
};

#define SEGMENT(name)                                                                              \
    #name ":8 limit:4 selector:2 type:1 present:1 dpl:1 db:1 s:1 l:1 g:1 avl:1 unusable:1 _1 "

// clang-format off
constexpr Row calls[] = {
    {KVM_GET_API_VERSION,         "KVM_GET_API_VERSION",           ""},
    {KVM_CHECK_EXTENSION,         "KVM_CHECK_EXTENSION",           "#"},
    {KVM_CREATE_VM,               "KVM_CREATE_VM",                 "#"},
    {KVM_GET_VCPU_MMAP_SIZE,      "KVM_GET_VCPU_MMAP_SIZE",        ""},
    {abi::get_supported_cpuid,     "KVM_GET_SUPPORTED_CPUID",       ""},
    {KVM_ENABLE_CAP,              "KVM_ENABLE_CAP",                "cap:4 flags:4 args:8"},
    {KVM_MEMORY_ENCRYPT_OP,       "KVM_MEMORY_ENCRYPT_OP",         "!"},
    {KVM_SET_TSS_ADDR,            "KVM_SET_TSS_ADDR",              "#"},
    {KVM_CREATE_IRQCHIP,          "KVM_CREATE_IRQCHIP",            ""},
    {KVM_CREATE_PIT2,             "KVM_CREATE_PIT2",               "flags:4"},
    {KVM_IRQ_LINE,                "KVM_IRQ_LINE",                  "irq:4 level:4"},
    {KVM_SET_USER_MEMORY_REGION,  "KVM_SET_USER_MEMORY_REGION",    "slot:4 flags:4 gpa:8 size:8 host@"},
    {abi::set_user_memory_region2, "KVM_SET_USER_MEMORY_REGION2",
     "slot:4 flags:4 gpa:8 size:8 host@ memfd_offset:8 memfd:4"},
    {abi::create_guest_memfd,      "KVM_CREATE_GUEST_MEMFD",        "size:8 flags:8"},
    {abi::set_memory_attributes,   "KVM_SET_MEMORY_ATTRIBUTES",     "gpa:8 size:8 attributes:8 flags:8"},
    {KVM_MEMORY_ENCRYPT_REG_REGION,         "KVM_MEMORY_ENCRYPT_REG_REGION", "host@ size:8"},
    {KVM_CREATE_VCPU,             "KVM_CREATE_VCPU",               "#"},
    {abi::set_cpuid2,              "KVM_SET_CPUID2",                "entries:4"},
    {KVM_GET_SREGS,               "KVM_GET_SREGS",                 ""},
    {KVM_SET_SREGS,               "KVM_SET_SREGS",
     SEGMENT(cs) SEGMENT(ds) SEGMENT(es) SEGMENT(fs) SEGMENT(gs) SEGMENT(ss) SEGMENT(tr) SEGMENT(ldt)
     "gdt:8 limit:2 _6 idt:8 limit:2 _6 cr0:8 cr2:8 cr3:8 cr4:8 cr8:8 efer:8 apic_base:8"},
    {KVM_SET_REGS,                "KVM_SET_REGS",
     "rax:8 rbx:8 rcx:8 rdx:8 rsi:8 rdi:8 rsp:8 rbp:8 r8:8 r9:8 r10:8 r11:8 r12:8 r13:8 r14:8 r15:8 "
     "rip:8 rflags:8"},
    {abi::set_msrs,                "KVM_SET_MSRS",                  "count:4 _4 * msr:4 _4 value:8"},
    {KVM_SET_DEBUGREGS,           "KVM_SET_DEBUGREGS",             "_32 dr6:8 dr7:8"},
    {KVM_SET_XSAVE,               "KVM_SET_XSAVE",                 "fcw:2 fsw:2 _20 mxcsr:4 _484 xstate_bv:8"},
    {KVM_SET_XCRS,                "KVM_SET_XCRS",                  "count:4 flags:4 xcr:4 _4 value:8"},
    {KVM_RUN,                     "KVM_RUN",                       ""},
    {SEV_ISSUE_CMD,               "SEV_ISSUE_CMD",                 "command:4"},
};

constexpr Row commands[] = {
    {number_of(abi::Sev::init),               "SEV_INIT",               ""},
    {number_of(abi::Sev::es_init),            "SEV_ES_INIT",            ""},
    {number_of(abi::Sev::launch_start),       "SEV_LAUNCH_START",
     "handle:4 policy:4 certificate@ length:4 _4 session@ length:4"},
    {number_of(abi::Sev::launch_update_data), "SEV_LAUNCH_UPDATE_DATA", "host@ length:4"},
    {number_of(abi::Sev::launch_update_vmsa), "SEV_LAUNCH_UPDATE_VMSA", ""},
    {number_of(abi::Sev::launch_measure),     "SEV_LAUNCH_MEASURE",     "host@ length:4"},
    {number_of(abi::Sev::launch_finish),      "SEV_LAUNCH_FINISH",      ""},
    {number_of(abi::Sev::init2),              "SEV_INIT2",              "vmsa_features:8 flags:4 ghcb_version:2"},
    {number_of(abi::Sev::snp_launch_start),   "SEV_SNP_LAUNCH_START",   "policy:8"},
    {number_of(abi::Sev::snp_launch_update),  "SEV_SNP_LAUNCH_UPDATE",  "gfn:8 host@ length:8 type:1"},
    {number_of(abi::Sev::snp_launch_finish),  "SEV_SNP_LAUNCH_FINISH",
     "id_block@ id_auth@ id_block_en:1 auth_key_en:1 vcek_disabled:1"},
};
// clang-format on
#undef SEGMENT

std::string layout_text(std::string_view layout, u64 argument, const Place& place) {
    std::string text;
    std::string_view repeated;
    u64 left = 0;
    while (!layout.empty()) {
        const auto word = layout.substr(0, layout.find(' '));
        layout.remove_prefix(std::min(word.size() + 1, layout.size()));
        if (word == "*") {
            repeated = layout;
            layout   = left == 0 ? "" : layout;
            continue;
        }
        const auto split = word.starts_with('_') ? 0 : word.find_first_of(":@");
        const bool host  = word[split] == '@';
        u64 size         = sizeof(u64);
        if (!host) {
            std::from_chars(word.data() + split + 1, word.data() + word.size(), size);
        }
        if (word[split] != '_') {
            u64 value = 0;
            std::memcpy(&value, reinterpret_cast<const void*>(argument), size); // NOLINT: as given
            left = text.empty() ? value : left;
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", word.substr(0, split),
                                host ? place(value) : fmt::format("{:#x}", value));
        }
        argument += size;
        if (layout.empty() && !repeated.empty() && --left != 0) {
            layout = repeated;
        }
    }
    return text;
}

std::string name_in(std::span<const Row> rows, u64 request) {
    const auto row = std::ranges::find(rows, request, &Row::request);
    return row != rows.end() ? std::string(row->name) : fmt::format("{:#x}", request);
}

std::string text_in(std::span<const Row> rows, u64 request, u64 argument, const Place& place) {
    const auto row = std::ranges::find(rows, request, &Row::request);
    if (row == rows.end() || row->layout.empty()) {
        return "";
    }
    if (row->layout == "#") {
        return fmt::format("{:#x}", argument);
    }
    if (row->layout != "!" || argument == 0) {
        return argument == 0 ? "" : layout_text(row->layout, argument, place);
    }
    const auto& command = *reinterpret_cast<const abi::SevCommand*>(argument); // NOLINT: as given
    const auto of       = text_in(commands, number_of(command.id), command.data, place);
    return command_name(command.id) + (of.empty() ? "" : ": " + of);
}

struct ExitRow {
    u32 reason;
    std::string_view name;
};

constexpr ExitRow exits[] = {
    {KVM_EXIT_UNKNOWN,        "UNKNOWN"       },
    {KVM_EXIT_IO,             "IO"            },
    {KVM_EXIT_HYPERCALL,      "HYPERCALL"     },
    {KVM_EXIT_DEBUG,          "DEBUG"         },
    {KVM_EXIT_HLT,            "HLT"           },
    {KVM_EXIT_MMIO,           "MMIO"          },
    {KVM_EXIT_SHUTDOWN,       "SHUTDOWN"      },
    {KVM_EXIT_FAIL_ENTRY,     "FAIL_ENTRY"    },
    {KVM_EXIT_INTR,           "INTR"          },
    {KVM_EXIT_INTERNAL_ERROR, "INTERNAL_ERROR"},
    {KVM_EXIT_SYSTEM_EVENT,   "SYSTEM_EVENT"  },
    {KVM_EXIT_AP_RESET_HOLD,  "AP_RESET_HOLD" },
    {abi::exit_memory_fault,  "MEMORY_FAULT"  },
    {abi::exit_snp_req_certs, "SNP_REQ_CERTS" },
};

std::string event_text(const kvm_run& run) {
    switch (run.system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN: return "the guest asks for power off";
    case KVM_SYSTEM_EVENT_RESET: return "the guest asks for a reset";
    case KVM_SYSTEM_EVENT_CRASH: return "the guest says that it has crashed";
    case abi::event_sev_term:
        return run.system_event.ndata == 0
                   ? "the guest asks for its termination; KVM tells no reason"
                   : termination_text(run.system_event.data[0]);
    default:
        return fmt::format("event {}, which this program does not know", run.system_event.type);
    }
}

std::string internal_error(const kvm_run& run) {
    constexpr const char* errors[] = {
        "", "an instruction that KVM cannot emulate", "events that exclude one another",
        "a failure while an event was delivered", "an exit of the CPU that KVM does not know"};
    const u32 which = run.internal.suberror;
    std::string text =
        which != 0 && which < std::size(errors) ? errors[which] : fmt::format("error {}", which);
    const u64 count = std::min<u64>(run.internal.ndata, std::size(run.internal.data));
    for (u64 n = 0; n < count; ++n) {
        text += fmt::format("{}{:#x}", n == 0 ? "; data " : " ", run.internal.data[n]);
    }
    return text + "; the host's kernel log may say more (dmesg)";
}
} // namespace

std::string call_name(u64 request) { return name_in(calls, request); }

std::string command_name(abi::Sev command) { return name_in(commands, number_of(command)); }

std::string call_text(u64 request, u64 argument, const Place& place) {
    return fmt::format("{}({})", call_name(request), text_in(calls, request, argument, place));
}

std::string exit_name(u32 reason) {
    const auto* row = std::ranges::find(exits, reason, &ExitRow::reason);
    return row != std::end(exits) ? std::string(row->name) : fmt::format("{}", reason);
}

std::string exit_text(const kvm_run& run) {
    switch (run.exit_reason) {
    case KVM_EXIT_IO:
        return fmt::format("{} port {:#x}, {} x {} bytes",
                           run.io.direction == KVM_EXIT_IO_OUT ? "OUT to" : "IN from", run.io.port,
                           run.io.count, run.io.size);
    case KVM_EXIT_MMIO:
        return fmt::format("{} {:#x}, {} bytes, where no device is",
                           run.mmio.is_write != 0 ? "write to" : "read of", run.mmio.phys_addr,
                           run.mmio.len);
    case KVM_EXIT_HYPERCALL:
        return fmt::format("hypercall {}: {:#x}, {} pages, flags {:#x}", run.hypercall.nr,
                           run.hypercall.args[0], run.hypercall.args[1], run.hypercall.args[2]);
    case KVM_EXIT_HLT: return "the guest halts for good";
    case KVM_EXIT_SHUTDOWN:
        return "the guest shut down: a triple fault, or on SEV-ES and SNP a VMSA that the CPU "
               "refuses";
    case KVM_EXIT_FAIL_ENTRY:
        return fmt::format(
            "the CPU refuses to enter the guest, hardware reason {:#x}: its registers "
            "are no valid state",
            run.fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR: return "KVM gave up: " + internal_error(run);
    case KVM_EXIT_SYSTEM_EVENT: return event_text(run);
    case KVM_EXIT_AP_RESET_HOLD: return "a vCPU waits for its start (AP reset hold)";
    case abi::exit_memory_fault: {
        const auto fault = abi::memory_fault_of(run);
        return fmt::format("{} access to {:#x}, {:#x} bytes, which are not so",
                           (fault.flags & abi::fault_private) != 0 ? "private" : "shared",
                           fault.gpa, fault.size);
    }
    default:
        return fmt::format("KVM_EXIT_{}, which this program does not serve",
                           exit_name(run.exit_reason));
    }
}

std::string termination_text(u64 ghcb_msr) {
    constexpr u64 request = 0x100;
    if ((ghcb_msr & 0xFFF) != request) {
        return fmt::format(
            "the guest asks for its termination by its GHCB page at {:#x}; the reason "
            "is in the host's kernel log only (dmesg)",
            ghcb_msr);
    }
    const auto set  = static_cast<u8>((ghcb_msr >> 12) & 0xF);
    const auto code = static_cast<u8>(ghcb_msr >> 16);
    const auto* row = ghcb::find_termination(set, code);
    return fmt::format("the guest asks for its termination: {} (set {}, code {:#x}){}",
                       row != nullptr ? row->name : "unknown", set, code,
                       row != nullptr ? fmt::format(": {}", row->meaning) : "");
}

} // namespace vestibule::kvm
