// SPDX-License-Identifier: BSD-2-Clause-Patent
// SVM exit codes, which are also the error codes of #VC (APM volume 2, appendix C), and the
// software-defined ones of the GHCB (GHCB specification, section 4).
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

enum class ExitCode : u64 {
    dr7_read           = 0x27,
    dr7_write          = 0x37,
    exception_db       = 0x41,
    exception_ac       = 0x51,
    rdtsc              = 0x6E,
    rdpmc              = 0x6F,
    cpuid              = 0x72,
    invd               = 0x76,
    ioio               = 0x7B,
    msr                = 0x7C,
    vmmcall            = 0x81,
    rdtscp             = 0x87,
    wbinvd             = 0x89,
    monitor            = 0x8A,
    mwait              = 0x8B,
    npf                = 0x400, // as a #VC: emulated MMIO
    page_not_validated = 0x404,
    mmio_read          = 0x8000'0001,
    mmio_write         = 0x8000'0002,
    nmi_complete       = 0x8000'0003,
    ap_reset_hold      = 0x8000'0004,
    ap_jump_table      = 0x8000'0005,
    page_state_change  = 0x8000'0010,
    guest_request      = 0x8000'0011,
    extended_request   = 0x8000'0012,
    ap_creation        = 0x8000'0013,
    run_vmpl           = 0x8000'0018,
    hv_features        = 0x8000'FFFD,
    termination        = 0x8000'FFFE,
    unsupported_event  = 0x8000'FFFF,
};

struct ExitName {
    ExitCode code;
    const char* name;
};

inline constexpr ExitName exit_names[] = {
    {ExitCode::dr7_read,           "DR7 read"           },
    {ExitCode::dr7_write,          "DR7 write"          },
    {ExitCode::exception_db,       "#DB"                },
    {ExitCode::exception_ac,       "#AC"                },
    {ExitCode::rdtsc,              "RDTSC"              },
    {ExitCode::rdpmc,              "RDPMC"              },
    {ExitCode::cpuid,              "CPUID"              },
    {ExitCode::invd,               "INVD"               },
    {ExitCode::ioio,               "IOIO"               },
    {ExitCode::msr,                "MSR"                },
    {ExitCode::vmmcall,            "VMMCALL"            },
    {ExitCode::rdtscp,             "RDTSCP"             },
    {ExitCode::wbinvd,             "WBINVD"             },
    {ExitCode::monitor,            "MONITOR"            },
    {ExitCode::mwait,              "MWAIT"              },
    {ExitCode::npf,                "MMIO"               },
    {ExitCode::page_not_validated, "page not validated" },
    {ExitCode::mmio_read,          "MMIO read"          },
    {ExitCode::mmio_write,         "MMIO write"         },
    {ExitCode::nmi_complete,       "NMI complete"       },
    {ExitCode::ap_reset_hold,      "AP reset hold"      },
    {ExitCode::ap_jump_table,      "AP jump table"      },
    {ExitCode::page_state_change,  "page state change"  },
    {ExitCode::guest_request,      "guest request"      },
    {ExitCode::extended_request,   "extended request"   },
    {ExitCode::ap_creation,        "AP creation"        },
    {ExitCode::run_vmpl,           "RUN_VMPL"           },
    {ExitCode::hv_features,        "hypervisor features"},
    {ExitCode::termination,        "termination request"},
    {ExitCode::unsupported_event,  "unsupported event"  },
};

/// The name of an exit code, or "unknown".
constexpr const char* exit_name(u64 code) {
    for (const ExitName& row : exit_names) {
        if (static_cast<u64>(row.code) == code) {
            return row.name;
        }
    }
    return "unknown";
}

} // namespace vestibule::x86
