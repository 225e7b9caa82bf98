// SPDX-License-Identifier: BSD-2-Clause-Patent
// Why a guest asks to be ended: reason set and reason code of the termination request (GHCB
// specification, section 2.3.1 and exit 0x8000FFFE), all of them in one table that the tools
// decode.
//
// Set 0 is the specification's. Set 1 belongs to Linux and OVMF, which disagree about it, so this
// project starts at 2.
#pragma once

#include "x86/types.h"

namespace vestibule::ghcb {

struct Reason {
    u8 set;
    u8 code;

    constexpr bool operator==(const Reason&) const = default;
};

namespace reason {
inline constexpr u8 set_specification = 0;
inline constexpr u8 set_vestibule     = 2;
/// In these three the code is not from the table: it is what was met.
inline constexpr u8 set_early_exit   = 3;
inline constexpr u8 set_runtime_exit = 4;
inline constexpr u8 set_exception    = 5;

inline constexpr Reason general{set_specification, 0};
inline constexpr Reason protocol_range{set_specification, 1};
inline constexpr Reason feature_unsupported{set_specification, 2};

// The machine is not what the measured image was made for.
inline constexpr Reason sev_es_expected{set_vestibule, 0x01};
inline constexpr Reason sev_unexpected{set_vestibule, 0x02};
inline constexpr Reason cpuid_hides_sev{set_vestibule, 0x03};
inline constexpr Reason c_bit_mismatch{set_vestibule, 0x04};
inline constexpr Reason c_bit_not_private{set_vestibule, 0x05};
inline constexpr Reason no_random_number{set_vestibule, 0x06};
inline constexpr Reason snp_expected{set_vestibule, 0x07};
// The MSR protocol.
inline constexpr Reason msr_bad_response{set_vestibule, 0x10};
// The GHCB page.
inline constexpr Reason ghcb_malformed_input{set_vestibule, 0x20}; // + the protocol's reason, 1..6
inline constexpr Reason ghcb_bad_response{set_vestibule, 0x28};
inline constexpr Reason ghcb_bad_exception{set_vestibule, 0x29};
inline constexpr Reason ghcb_missing_output{set_vestibule, 0x2A};
inline constexpr Reason ghcb_not_answering{set_vestibule, 0x2B};
inline constexpr Reason ghcb_reentered{set_vestibule, 0x2C};
// The #VC handlers.
inline constexpr Reason vc_opcode_mismatch{set_vestibule, 0x30};
inline constexpr Reason vc_code_segment{set_vestibule, 0x31};
inline constexpr Reason vc_early_subleaf{set_vestibule, 0x32};
inline constexpr Reason vc_page_unvalidated{set_vestibule, 0x33};
inline constexpr Reason vc_mmio_private{set_vestibule, 0x34};
inline constexpr Reason vc_mmio_crosses_page{set_vestibule, 0x35};
inline constexpr Reason vc_undeliverable{set_vestibule, 0x36};
inline constexpr Reason vc_on_vc_stack{set_vestibule, 0x37};
inline constexpr Reason vc_stack_full{set_vestibule, 0x38};
inline constexpr Reason nmi_reentered{set_vestibule, 0x39};
inline constexpr Reason bad_frame{set_vestibule, 0x3A};
inline constexpr Reason vc_msr_not_intercepted{set_vestibule, 0x3B};
inline constexpr Reason vc_dr7_not_intercepted{set_vestibule, 0x3C};
inline constexpr Reason mc_reentered{set_vestibule, 0x3D};
inline constexpr Reason switch_event{set_vestibule, 0x3E};
// What a program handed to the library (include/vestibule/vestibule.h).
inline constexpr Reason setup_cpu_block{set_vestibule, 0x40};
inline constexpr Reason setup_ghcb_address{set_vestibule, 0x41};
inline constexpr Reason setup_ghcb_private{set_vestibule, 0x42};
inline constexpr Reason setup_c_bit{set_vestibule, 0x43};
inline constexpr Reason setup_code_segment{set_vestibule, 0x44};
inline constexpr Reason setup_task_state{set_vestibule, 0x45};
inline constexpr Reason setup_version{set_vestibule, 0x46};
inline constexpr Reason setup_registers{set_vestibule, 0x47};
inline constexpr Reason setup_nmi{set_vestibule, 0x48};
inline constexpr Reason setup_reserved{set_vestibule, 0x49};
inline constexpr Reason setup_processor{set_vestibule, 0x4A};
inline constexpr Reason setup_cpuid{set_vestibule, 0x4B};
// Calls of the program's own by the library.
inline constexpr Reason call_argument{set_vestibule, 0x50};
inline constexpr Reason share_address{set_vestibule, 0x51};
inline constexpr Reason share_mapping{set_vestibule, 0x52};
// Questions to the secure processor (snp/guest_requests.h).
inline constexpr Reason request_no_key{set_vestibule, 0x53};
inline constexpr Reason request_busy{set_vestibule, 0x54};
inline constexpr Reason request_refused{set_vestibule, 0x55};
inline constexpr Reason request_status{set_vestibule, 0x56};
inline constexpr Reason request_answer_size{set_vestibule, 0x57};
inline constexpr Reason request_bad_answer{set_vestibule, 0x58};
inline constexpr Reason request_sequence{set_vestibule, 0x59};
inline constexpr Reason request_certificates{set_vestibule, 0x5A};
inline constexpr Reason request_under_way{set_vestibule, 0x5B};
// Questions to an SVSM (snp/svsm.h).
inline constexpr Reason svsm_area{set_vestibule, 0x5C};
inline constexpr Reason svsm_not_answering{set_vestibule, 0x5D};
inline constexpr Reason svsm_refused{set_vestibule, 0x5E};
// SEV-SNP (snp/).
inline constexpr Reason snp_registration{set_vestibule, 0x60};
inline constexpr Reason snp_page_state{set_vestibule, 0x61};
inline constexpr Reason snp_pvalidate{set_vestibule, 0x62};
inline constexpr Reason snp_validated_twice{set_vestibule, 0x63};
inline constexpr Reason snp_cpuid_page{set_vestibule, 0x64};
inline constexpr Reason snp_cpuid_conflict{set_vestibule, 0x65};
inline constexpr Reason snp_features{set_vestibule, 0x66};
inline constexpr Reason snp_rmpadjust{set_vestibule, 0x67};
inline constexpr Reason snp_ap_creation{set_vestibule, 0x68};
inline constexpr Reason snp_accepted_already{set_vestibule, 0x69};
inline constexpr Reason snp_not_vmpl0{set_vestibule, 0x6A};
// Booting the kernel of the monitor's command line (boot/fw_cfg).
inline constexpr Reason direct_boot_no_kernel{set_vestibule, 0x70};
inline constexpr Reason direct_boot_no_hashes{set_vestibule, 0x71};
inline constexpr Reason direct_boot_hash{set_vestibule, 0x72};
inline constexpr Reason direct_boot_kernel{set_vestibule, 0x73};
inline constexpr Reason direct_boot_memory{set_vestibule, 0x74};
// The selftest, where there is no emulated exit port.
inline constexpr Reason selftest_passed{set_vestibule, 0xF0};
inline constexpr Reason selftest_failed{set_vestibule, 0xF1};
} // namespace reason

struct TerminationReason {
    u8 set;
    u8 code;
    const char* name;
    const char* meaning;
};

inline constexpr TerminationReason termination_reasons[] = {
    {0, 0x00, "GENERAL",                "general request, no reason given"                              },
    {0, 0x01, "PROTOCOL_RANGE",         "the hypervisor's GHCB protocol versions are not supported"     },
    {0, 0x02, "FEATURE_UNSUPPORTED",
     "SEV_STATUS shows features that this guest does not implement"                                     },
    {2, 0x01, "SEV_ES_EXPECTED",        "the image was built for SEV-ES, SEV_STATUS says it is off"     },
    {2, 0x02, "SEV_UNEXPECTED",         "the image was built for a native machine, SEV_STATUS says SEV" },
    {2, 0x03, "CPUID_HIDES_SEV",        "CPUID 0x8000001F denies SEV, SEV_STATUS shows it"              },
    {2, 0x04, "C_BIT_MISMATCH",         "the hypervisor reports a C-bit other than the measured one"    },
    {2, 0x05, "C_BIT_NOT_PRIVATE",      "a value written with the C-bit can be read without it"         },
    {2, 0x06, "NO_RANDOM_NUMBER",       "RDRAND gave no value in ten attempts"                          },
    {2, 0x07, "SNP_EXPECTED",           "the image was entered for SEV-SNP, SEV_STATUS says it is off"  },
    {2, 0x10, "MSR_BAD_RESPONSE",       "an MSR protocol answer has the wrong response code or register"},
    {2, 0x21, "GHCB_NOT_REGISTERED",    "malformed input, says the hypervisor: GHCB not registered"     },
    {2, 0x22, "GHCB_INVALID_USAGE",     "malformed input, says the hypervisor: invalid usage"           },
    {2, 0x23, "GHCB_INVALID_SCRATCH",   "malformed input, says the hypervisor: invalid scratch area"    },
    {2, 0x24, "GHCB_MISSING_INPUT",     "malformed input, says the hypervisor: missing required input"  },
    {2, 0x25, "GHCB_INVALID_INPUT",     "malformed input, says the hypervisor: invalid input value"     },
    {2, 0x26, "GHCB_INVALID_EVENT",     "malformed input, says the hypervisor: invalid event"           },
    {2, 0x28, "GHCB_BAD_RESPONSE",      "SW_EXITINFO1 of the answer is none that the protocol defines"  },
    {2, 0x29, "GHCB_BAD_EXCEPTION",
     "the hypervisor asked for an exception that it may not ask for"                                    },
    {2, 0x2A, "GHCB_MISSING_OUTPUT",    "an answer lacks a register that its event must return"         },
    {2, 0x2B, "GHCB_NOT_ANSWERING",
     "the first call through the GHCB page was not answered correctly"                                  },
    {2, 0x2C, "GHCB_REENTERED",         "a #VC came while the GHCB page had no room for one more call"  },
    {2, 0x30, "VC_OPCODE_MISMATCH",     "the instruction at #VC is not the one its exit code claims"    },
    {2, 0x31, "VC_CODE_SEGMENT",        "a #VC from a code segment or privilege that is not served"     },
    {2, 0x32, "VC_EARLY_SUBLEAF",
     "early CPUID of a sub-leaf, which the MSR protocol cannot ask for"                                 },
    {2, 0x33, "VC_PAGE_UNVALIDATED",
     "a page that was accepted is there no more: the hypervisor took it away"                           },
    {2, 0x34, "VC_MMIO_PRIVATE",        "memory-mapped I/O claimed for an access to private memory"     },
    {2, 0x35, "VC_MMIO_CROSSES_PAGE",   "memory-mapped I/O across the end of a page is not served"      },
    {2, 0x36, "VC_UNDELIVERABLE",       "an exception for which the guest's IDT has no usable gate"     },
    {2, 0x37, "VC_ON_VC_STACK",         "a #VC in the #VC handler itself, whose stack it overwrote"     },
    {2, 0x38, "VC_STACK_FULL",          "an NMI in the #VC handler, with no room left for another #VC"  },
    {2, 0x39, "NMI_REENTERED",          "an NMI while another was handled, whose stack it overwrote"    },
    {2, 0x3A, "BAD_FRAME",
     "an event came without its error code, or with one that it does not have"                          },
    {2, 0x3B, "VC_MSR_NOT_INTERCEPTED",
     "a #VC for an MSR of the VMSA, which only a hypervisor that forges it intercepts"                  },
    {2, 0x3C, "VC_DR7_NOT_INTERCEPTED",
     "a #VC for DR7, which DebugSwap leaves to the guest: the hypervisor forges it"                     },
    {2, 0x3D, "MC_REENTERED",           "a #MC while another was handled, whose stack it overwrote"     },
    {2, 0x3E, "SWITCH_EVENT",           "an exception or an NMI on the way from 32-bit to 64-bit mode"  },
    {2, 0x40, "SETUP_CPU_BLOCK",
     "setup: the CPU's block is not aligned to its size, or not mapped private and writable"            },
    {2, 0x41, "SETUP_GHCB_ADDRESS",
     "setup: the GHCB page is not aligned, or not mapped writable at the address that is given"         },
    {2, 0x42, "SETUP_GHCB_PRIVATE",     "setup: the page tables map the GHCB page private"              },
    {2, 0x43, "SETUP_C_BIT",
     "setup: the C-bit is not one bit from 32 to 51, or physical_bits reaches it"                       },
    {2, 0x44, "SETUP_CODE_SEGMENT",     "setup: the selector does not name 64-bit code at CPL 0"        },
    {2, 0x45, "SETUP_TASK_STATE",
     "setup: no current TSS at that address, or IST numbers that are not two of 1 to 7"                 },
    {2, 0x46, "SETUP_VERSION",          "setup: the GHCB protocol version is not 1 or 2"                },
    {2, 0x47, "SETUP_REGISTERS",        "setup: VMMCALL cannot show RSP, and RAX it does anyway"        },
    {2, 0x48, "SETUP_NMI",              "setup: an IST for NMIs or #MC and no handler, or the reverse"  },
    {2, 0x49, "SETUP_RESERVED",         "setup: a reserved field is not zero"                           },
    {2, 0x4A, "SETUP_PROCESSOR",
     "setup: CR4.FRED, CR4.PKS or supervisor shadow stacks are on, with which the entries do not "
     "work"                                                                                             },
    {2, 0x4B, "SETUP_CPUID",            "setup: SEV-SNP without a CPUID table, or a table without it"   },
    {2, 0x50, "CALL_ARGUMENT",          "a call of the kernel's own that says what no call can say"     },
    {2, 0x51, "SHARE_ADDRESS",
     "sharing: an address is no page's, or the page is not mapped there as was said"                    },
    {2, 0x52, "SHARE_MAPPING",          "sharing: the kernel has not mapped the page as it was asked to"},
    {2, 0x53, "REQUEST_NO_KEY",
     "the secure processor cannot be asked: the VMPCK was wiped, or never opened"                       },
    {2, 0x54, "REQUEST_BUSY",
     "the hypervisor is busy: the same message to the secure processor may be sent again"               },
    {2, 0x55, "REQUEST_REFUSED",
     "the hypervisor or the firmware does not take a message to the secure processor"                   },
    {2, 0x56, "REQUEST_STATUS",         "the secure processor answers with an error"                    },
    {2, 0x57, "REQUEST_ANSWER_SIZE",
     "an answer of the secure processor is too short, or too long for its place"                        },
    {2, 0x58, "REQUEST_BAD_ANSWER",
     "what is said to be the secure processor's answer is not: the VMPCK is given up"                   },
    {2, 0x59, "REQUEST_SEQUENCE",
     "a VMPCK's sequence numbers are used up, or one is under way that nobody has"                      },
    {2, 0x5A, "REQUEST_CERTIFICATES",
     "the certificates want more room, or their table is malformed"                                     },
    {2, 0x5B, "REQUEST_UNDER_WAY",      "another CPU is asking the secure processor"                    },
    {2, 0x5C, "SVSM_AREA",              "an SVSM, or its calling area, that is not where one can be"    },
    {2, 0x5D, "SVSM_NOT_ANSWERING",     "the hypervisor has not let the SVSM serve a call"              },
    {2, 0x5E, "SVSM_REFUSED",           "the SVSM does not do what it was called for"                   },
    {2, 0x60, "SNP_REGISTRATION",
     "the hypervisor does not take the GHCB page that is to be registered"                              },
    {2, 0x61, "SNP_PAGE_STATE",
     "a page state change was refused, or its answer does not say that all of it is done"               },
    {2, 0x62, "SNP_PVALIDATE",          "PVALIDATE failed on a page of the guest's own"                 },
    {2, 0x63, "SNP_VALIDATED_TWICE",
     "PVALIDATE changed nothing: the page was in that state already, which an attack would do"          },
    {2, 0x64, "SNP_CPUID_PAGE",
     "the CPUID page is malformed: its count, a reserved field, or the state a function is for"         },
    {2, 0x65, "SNP_CPUID_CONFLICT",
     "the CPUID page contradicts itself, SEV_STATUS or what was measured"                               },
    {2, 0x66, "SNP_FEATURES",           "the hypervisor does not offer what an SEV-SNP guest needs"     },
    {2, 0x67, "SNP_RMPADJUST",          "RMPADJUST failed on a page of the guest's own"                 },
    {2, 0x68, "SNP_AP_CREATION",        "the hypervisor refuses to start a further vCPU"                },
    {2, 0x69, "SNP_ACCEPTED_ALREADY",
     "memory is to be accepted that was accepted before: nothing is validated twice"                    },
    {2, 0x6A, "SNP_NOT_VMPL0",          "this code runs below VMPL 0, and knows no service there"       },
    {2, 0x70, "DIRECT_BOOT_NO_KERNEL",
     "there is no kernel to boot: expected -kernel on the monitor's command line"                       },
    {2, 0x71, "DIRECT_BOOT_NO_HASHES",
     "the launch has measured no hashes of a kernel: expected QEMU's kernel-hashes=on"                  },
    {2, 0x72, "DIRECT_BOOT_HASH",
     "kernel, initrd or command line is not the one whose hash was measured"                            },
    {2, 0x73, "DIRECT_BOOT_KERNEL",
     "the kernel is no bzImage that can be booted, or its command line is too long"                     },
    {2, 0x74, "DIRECT_BOOT_MEMORY",
     "kernel and initrd do not fit into the memory that the guest was promised"                         },
    {2, 0xF0, "SELFTEST_PASSED",        "the selftest ended, every case ok"                             },
    {2, 0xF1, "SELFTEST_FAILED",        "the selftest ended, some case not ok"                          },
};

/// Rows for the sets whose code says what was met.
inline constexpr TerminationReason open_sets[] = {
    {reason::set_early_exit,   0, "EARLY_UNEXPECTED_EXIT",
     "the early #VC handler serves CPUID only; the code is the exit code (0xFF: above 0xFE)" },
    {reason::set_runtime_exit, 0, "UNEXPECTED_EXIT",
     "the #VC handler does not serve this exit; the code is the exit code (0xFF: above 0xFE)"},
    {reason::set_exception,    0, "UNEXPECTED_EXCEPTION",
     "an exception that nobody handles; the code is its vector"                              },
};

/// The table's row for a reason; nullptr where no row has it.
constexpr const TerminationReason* find_termination(u8 set, u8 code) {
    for (const TerminationReason& row : open_sets) {
        if (row.set == set) {
            return &row;
        }
    }
    for (const TerminationReason& row : termination_reasons) {
        if (row.set == set && row.code == code) {
            return &row;
        }
    }
    return nullptr;
}

/// The reason code that stands for a #VC's exit code in the two open exit sets.
constexpr u8 exit_as_reason_code(u64 exit_code) {
    return exit_code < 0xFF ? static_cast<u8>(exit_code) : u8{0xFF};
}

} // namespace vestibule::ghcb
