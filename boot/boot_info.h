// SPDX-License-Identifier: BSD-2-Clause-Patent
/* What the stub tells its payload: for payloads in C and C++, so it needs <stdint.h> and nothing
 * else. Public and versioned: fields are only added, at the end, and `size` says how many bytes are
 * there.
 *
 * A payload is entered by `igvmtool build --payload`, or by BOOTX64.EFI, in 64-bit mode at its
 * entry point, as a function of the System V ABI with the address of this structure as its argument
 * (RDI) that must not return. It runs on the stub's stack of 16 KiB with SSE on, interrupts off, CS
 * 0x08 and SS, DS and ES 0x10 of the stub's GDT, and #VC served by the stub's handler until the
 * payload loads an IDT of its own. That handler runs on the interrupted stack: code that has a red
 * zone (-mno-red-zone) loses it. The first 4 GiB are identity-mapped, readable, writable and
 * executable but for the stub's 2 MiB. They are private, but for the GHCB page and for what is not
 * RAM between 3 and 4 GiB, where a PC has its APICs: of `ram`, of EFI's memory map, or of what was
 * loaded. Nothing is mapped above, where RAM may go on; the table of CR3's first entry has room for
 * 508 pages of 1 GiB there.
 *
 * The stub's memory, `image_base` and `image_size`, may be used for something else once the payload
 * has an IDT, a GDT, page tables, a stack and a GHCB page of its own, has read what these fields
 * point to, and waits for no more vCPUs to leave it. A Linux kernel gets what its own boot protocol
 * says instead (boot/hand_over/header.h). */
#pragma once

#include <stdint.h>

#define VESTIBULE_BOOT_INFO_MAGIC UINT64_C(0x004F464E49534556) /* "VESINFO" and a zero byte */

#ifdef __cplusplus
namespace vestibule::boot {
enum class Platform : uint32_t { native = 0, sev_es = 1, sev_snp = 2 };
}

using vestibule_boot_platform =
    vestibule::boot::Platform; // NOLINT(readability-identifier-naming): C's
#else
typedef uint32_t vestibule_boot_platform;

enum { VESTIBULE_NATIVE = 0, VESTIBULE_SEV_ES = 1, VESTIBULE_SEV_SNP = 2 };
#endif

/* Addresses are guest-physical; 0 where there is no such thing. */
struct vestibule_boot_info { // NOLINT(readability-identifier-naming): C has no namespaces
    uint64_t magic;
    uint32_t version; /* 1 */
    uint32_t size;    /* in bytes */
    vestibule_boot_platform platform;
    uint16_t ghcb_version; /* negotiated protocol version; 0 on a native machine */
    uint16_t reserved;
    uint64_t c_bit;      /* mask of the C-bit in page-table entries; 0 on a native machine */
    uint64_t ghcb_gpa;   /* vCPU 0's GHCB; 0 on a native machine */
    uint64_t sev_status; /* MSR 0xC0010131 */
    uint64_t image_base; /* stub, built-in payload and their memory */
    uint64_t image_size;

    /* What igvmtool put beside the stub: part of the launch digest. Or what BOOTX64.EFI did, which
     * is not. */
    uint64_t payload_base; /* from the payload's lowest address to its highest */
    uint64_t payload_size;
    uint64_t command_line; /* ASCII, ends with a zero byte that the size does not count */
    uint64_t command_line_size;
    uint64_t initrd;
    uint64_t initrd_size;

    /* SNP only: filled in at launch by the security processor. */
    uint64_t cpuid_page;
    uint64_t secrets_page;

    /* SECURITY: written by the loader and not part of the launch digest, so to be believed in
     * nothing. Under SEV-ES nobody encrypts these pages: they are to be read through a mapping
     * without the C-bit. The formats are those of IGVM_VHS_MEMORY_MAP_ENTRY, of which an entry
     * without pages is the last, and of a 32-bit number. */
    uint64_t memory_map;
    uint64_t memory_map_size;
    uint64_t vp_count;

    /* Only where EFI firmware started the application that started the stub. Boot services have
     * ended; runtime services may be called by who maps what they want. Not measured, and under SEV
     * written by firmware that runs inside the guest. Anything may lie above 4 GiB, but for the
     * map, whose entries are EFI_MEMORY_DESCRIPTORs, `efi_descriptor_size` bytes apart. */
    uint64_t efi_system_table;
    uint64_t efi_memory_map;
    uint64_t efi_memory_map_size;
    uint32_t efi_descriptor_size;
    uint32_t efi_descriptor_version;
    uint64_t rsdp; /* ACPI's root pointer */

    /* The gate of #VC, for an IDT of the payload's as long as the stub's memory is there: an
     * interrupt gate without IST. It serves this vCPU alone. 0 on a native machine. The stub's
     * other gates (SIDT), of vectors up to 31, end the guest with a code: an IDT without them makes
     * a shutdown of an NMI. */
    uint64_t vc_handler;
    uint16_t vc_selector;
    uint16_t reserved1;

    /* How many vCPUs there are; 0: not known. From `igvmtool build --vcpus`, measured: those that
     * the file starts. From BOOTX64.EFI, not measured: those of an SEV-ES or SEV-SNP guest that the
     * firmware counts. */
    uint32_t vcpus;
    /* Measured, from `igvmtool build --memory`: what is RAM, an array of vestibule_memory_range in
     * ascending order, the stub's and the payload's memory in it. 0: nobody said. */
    uint64_t ram;
    uint64_t ram_count;

    /* Where further vCPUs look: a vestibule_ap_mailbox. 0 where none wait. */
    uint64_t ap_mailbox;

    /* SEV-SNP: what this guest has validated, itself or by its launch, an array of
     * vestibule_memory_range in ascending order; all else is to be accepted before it is used, and
     * never what is in here. 0 where EFI firmware's map says it, and on other platforms. */
    uint64_t validated;
    uint64_t validated_count;
    uint32_t vmpl; /* SEV-SNP: this code's */
    uint32_t reserved2;

    /* SEV-SNP, from `igvmtool build --attest`: an attestation report (56860, table "Attestation
     * Report") over the data that was said there, and the table of certificates that came with it
     * (GHCB specification, exit 0x80000012). Nobody vouches for the table but the certificates'
     * signatures; `certificates` is 0 where the host has none, more than 16 KiB, or a table whose
     * entries point out of it. */
    uint64_t report;
    uint64_t report_size;
    uint64_t certificates;
    uint64_t certificates_size;

    /* Below VMPL 0: the calling areas of vCPUs 1 to `vcpus` - 1, a page each, for what calls the
     * SVSM there; that of vCPU 0 is in the secrets page. 0 where there are none. */
    uint64_t svsm_areas;
};

struct vestibule_memory_range { // NOLINT(readability-identifier-naming)
    uint64_t base;
    uint64_t size;
};

/* How a payload starts a further vCPU of an SEV-ES guest, one after another: fill in `argument` and
 * `stack`, then `entry`, send INIT and SIPI (the vector is nothing) to that vCPU's local APIC, and
 * wait for `taken` to be one more. The vCPU enters `entry` as a function that must not return, with
 * `argument` as its argument, on `stack` (its end, aligned to 16), in 64-bit mode with the stub's
 * page tables and SSE on, but with no GDT and no IDT: until it has loaded an IDT, nothing that
 * raises #VC. */
struct vestibule_ap_mailbox { // NOLINT(readability-identifier-naming)
    uint64_t entry;           /* 0: nobody is to leave; zeroed by who does */
    uint64_t argument;
    uint64_t stack;
    uint64_t taken; /* how many have left */
};

#ifdef __cplusplus
namespace vestibule::boot {
using BootInfo = ::vestibule_boot_info;

static_assert(sizeof(BootInfo) == 296);
} // namespace vestibule::boot

/// The entry of a payload that is linked into the image; it finds the stub's fields alone filled
/// in.
extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo& info);
#endif
