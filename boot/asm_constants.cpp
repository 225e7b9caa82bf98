// SPDX-License-Identifier: BSD-2-Clause-Patent
// Prints what the guest's assembly needs to know of the C++ types, as NASM definitions. Runs on the
// build machine, before anything freestanding is built.
#include "boot/attest/record.h"
#include "boot/entry_state.h"
#include "boot/flash/record.h"
#include "boot/gdt.h"
#include "boot/hand_over/header.h"
#include "boot/hand_over/snp_launch.h"
#include "boot/initial_tables.h"
#include "boot/jump_table/record.h"
#include "boot/legacy/handlers.h"
#include "boot/pvh/record.h"
#include "boot/selftest/registers.h"
#include "ghcb/msr_protocol.h"
#include "library/per_cpu.h"
#include "vc/frame.h"
#include "vc/frame32.h"
#include "x86/exit_code.h"
#include "x86/nasm_constants.h"
#include "x86/registers.h"

#include <cstddef>

using FlashRecord = vestibule::boot::flash::Record;
using vestibule::ghcb::Field;
using vestibule::ghcb::FieldSet;
using vestibule::library::PerCpu;
using vestibule::selftest::Registers;
using vestibule::vc::Frame;
using vestibule::vc::Frame32;
using vestibule::x86::Msr;
namespace x86 = vestibule::x86;

static constexpr vestibule::x86::NasmConstant constants[] = {
    {"FRAME_RAX", offsetof(Frame, rax)},
    {"FRAME_R15", offsetof(Frame, r15)},
    {"FRAME_ERROR_CODE", offsetof(Frame, error_code)},
    {"FRAME32_EAX", offsetof(Frame32, eax)},
    {"FRAME32_VECTOR", offsetof(Frame32, vector)},
    {"CODE64_SELECTOR", vestibule::boot::code64_selector},
    {"CODE32_SELECTOR", vestibule::boot::code32_selector},
    {"DATA_SELECTOR", vestibule::boot::data_selector},
    {"CODE64_SEGMENT", x86::code64_segment.value},
    {"DATA_SEGMENT", x86::data_segment.value},
    {"CODE32_SEGMENT", x86::code32_segment.value},
    {"TASK32_SEGMENT", x86::task32_segment.value},
    {"INTERRUPT_GATE", x86::InterruptGate::present_interrupt_gate << 8},
    {"IDT_SIZE", sizeof(x86::InterruptGate) * x86::exception::count},
    {"GDT_LIMIT", sizeof(vestibule::boot::stub_gdt) - 1},
    {"VESTIBULE_CPU_SIZE", VESTIBULE_CPU_SIZE},
    {"CPU_VCS", offsetof(PerCpu, under_way.vcs)},
    {"CPU_NMI", offsetof(PerCpu, under_way.nmi)},
    {"CPU_LEAVING", offsetof(PerCpu, under_way.leaving)},
    {"CPU_NMI_STACK_TOP", offsetof(PerCpu, nmi_stack) + VESTIBULE_NMI_STACK_SIZE},
    {"GHCB_EXITCODE", offsetof(vestibule::ghcb::Page, sw_exitcode)},
    {"GHCB_EXITINFO1", offsetof(vestibule::ghcb::Page, sw_exitinfo1)},
    {"GHCB_EXITINFO2", offsetof(vestibule::ghcb::Page, sw_exitinfo2)},
    {"GHCB_VALID_BITMAP", offsetof(vestibule::ghcb::Page, valid_bitmap)},
    {"GHCB_VALID_CALL_HIGH", (FieldSet::of(Field::sw_exitcode) | FieldSet::of(Field::sw_exitinfo1)
                              | FieldSet::of(Field::sw_exitinfo2))
                                 .high},
    {"GHCB_PROTOCOL_VERSION", offsetof(vestibule::ghcb::Page, protocol_version)},
    {"GHCB_USAGE", offsetof(vestibule::ghcb::Page, ghcb_usage)},
    {"EXIT_AP_JUMP_TABLE", static_cast<unsigned long>(x86::ExitCode::ap_jump_table)},
    {"PAGE_SIZE", vestibule::page_size},
    {"LEGACY_HANDLERS_SIZE", sizeof(vestibule::boot::legacy::Handlers)},
    {"FLASH_CODE_SIZE", vestibule::boot::flash::code_size},
    {"FLASH_RECORD_VERSION", FlashRecord::current_version},
    {"FLASH_RECORD_BASE", offsetof(FlashRecord, base)},
    {"FLASH_RECORD_ENTRY", offsetof(FlashRecord, entry)},
    {"FLASH_RECORD_AP_PAGE", offsetof(FlashRecord, ap_page)},
    {"FLASH_RECORD_AP_ENTRY", offsetof(FlashRecord, ap_entry)},
    {"FLASH_RECORD_AP_WAY", offsetof(FlashRecord, ap_way)},
    {"FLASH_RECORD_METADATA", offsetof(FlashRecord, signature)},
    {"FLASH_RECORD_SIZE", sizeof(FlashRecord)},
    {"FIRST_TABLE_ENTRY", vestibule::boot::image_table_flags},
    {"LEGACY_CR0", vestibule::boot::legacy_cr0},
    {"LEGACY_CR4", vestibule::boot::legacy_cr4},
    {"PAGING_CR0", vestibule::boot::paging_cr0},
    {"PAGING_CR4", vestibule::boot::paging_cr4},
    {"PAGING_EFER", vestibule::boot::paging_efer},
    {"BOOT_INFO_PLATFORM", offsetof(vestibule::boot::BootInfo, platform)},
    {"BOOT_INFO_GHCB_VERSION", offsetof(vestibule::boot::BootInfo, ghcb_version)},
    {"BOOT_INFO_GHCB_GPA", offsetof(vestibule::boot::BootInfo, ghcb_gpa)},
    {"BOOT_INFO_AP_MAILBOX", offsetof(vestibule::boot::BootInfo, ap_mailbox)},
    {"JUMP_TABLE_PAGE", vestibule::boot::jump_table::page_gpa},
    {"PVH_RECORD_ENTRY", offsetof(vestibule::boot::pvh::Record, entry)},
    {"PVH_RECORD_SIZE", sizeof(vestibule::boot::pvh::Record)},
    {"CR0_PE", x86::cr0::pe},
    {"CR0_ET", x86::cr0::et},
    {"CR0_PG", x86::cr0::pg},
    {"CR0_WP", x86::cr0::wp},
    {"CR4_PAE", x86::cr4::pae},
    {"EFER_LME", x86::efer::lme},
    {"EFER_LMA", x86::efer::lma},
    {"EFER_NXE", x86::efer::nxe},
    {"MSR_EFER", static_cast<unsigned long>(Msr::efer)},
    {"MSR_XSS", static_cast<unsigned long>(Msr::xss)},
    {"MSR_SEV_STATUS", static_cast<unsigned long>(Msr::sev_status)},
    {"MSR_GHCB", static_cast<unsigned long>(Msr::ghcb)},
    {"TERMINATE_C_BIT_NOT_PRIVATE",
     vestibule::ghcb::msr_protocol::encode_termination(vestibule::ghcb::reason::c_bit_not_private)},
    {"TERMINATE_SWITCH_EVENT",
     vestibule::ghcb::msr_protocol::encode_termination(vestibule::ghcb::reason::switch_event)},
    {"TERMINATE_SNP_PVALIDATE",
     vestibule::ghcb::msr_protocol::encode_termination(vestibule::ghcb::reason::snp_pvalidate)},
    {"PLATFORM_SEV_SNP", static_cast<unsigned long>(vestibule::boot::Platform::sev_snp)},
    {"LEGACY_HANDLERS_PLATFORM", offsetof(vestibule::boot::legacy::Handlers, platform)},
    {"AP_MAILBOX_ENTRY", offsetof(vestibule_ap_mailbox, entry)},
    {"AP_MAILBOX_ARGUMENT", offsetof(vestibule_ap_mailbox, argument)},
    {"AP_MAILBOX_STACK", offsetof(vestibule_ap_mailbox, stack)},
    {"AP_MAILBOX_TAKEN", offsetof(vestibule_ap_mailbox, taken)},
    {"AP_RESET_HOLD", vestibule::ghcb::msr_protocol::ap_reset_hold_request},
    {"PAYLOAD_HEADER_VERSION", vestibule::boot::PayloadHeader::current_version},
    {"PAYLOAD_HEADER_SIZE", vestibule::boot::PayloadHeader::size},
    {"ATTEST_RECORD_VERSION", vestibule::boot::AttestRecord::current_version},
    {"ATTEST_RECORD_SIZE", sizeof(vestibule::boot::AttestRecord)},
    {"SNP_LAUNCH_VERSION", vestibule::boot::SnpLaunch::current_version},
    {"SNP_LAUNCH_SIZE", sizeof(vestibule::boot::SnpLaunch)},
    {"REGISTERS_RAX", offsetof(Registers, rax)},
    {"REGISTERS_RCX", offsetof(Registers, rcx)},
    {"REGISTERS_RDX", offsetof(Registers, rdx)},
    {"REGISTERS_RBX", offsetof(Registers, rbx)},
    {"REGISTERS_RSP", offsetof(Registers, rsp)},
    {"REGISTERS_RBP", offsetof(Registers, rbp)},
    {"REGISTERS_RSI", offsetof(Registers, rsi)},
    {"REGISTERS_RDI", offsetof(Registers, rdi)},
    {"REGISTERS_R8", offsetof(Registers, r8)},
    {"REGISTERS_R9", offsetof(Registers, r9)},
    {"REGISTERS_R10", offsetof(Registers, r10)},
    {"REGISTERS_R11", offsetof(Registers, r11)},
    {"REGISTERS_R12", offsetof(Registers, r12)},
    {"REGISTERS_R13", offsetof(Registers, r13)},
    {"REGISTERS_R14", offsetof(Registers, r14)},
    {"REGISTERS_R15", offsetof(Registers, r15)},
    {"REGISTERS_RFLAGS", offsetof(Registers, rflags)},
};

int main() { vestibule::x86::print_nasm_constants("boot/asm_constants.cpp", constants); }
