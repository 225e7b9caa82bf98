// SPDX-License-Identifier: BSD-2-Clause-Patent
/* What only an SEV-SNP guest has: memory that it accepts, vCPUs that it starts, the secure
 * processor and a service at VMPL 0 that it asks. docs/library.md is the guide; section numbers are
 * those of the GHCB specification (56421), of the AMD64 APM, volume 2 (24593), and of the SEV-SNP
 * firmware ABI (56860). */
#ifndef VESTIBULE_SNP_H
#define VESTIBULE_SNP_H

#include "vestibule.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(hidden)

/* ---- Before the GHCB ---- */

/* Checks the CPUID page (56860, 8.17), which the secure processor has held against the silicon, and
 * makes `table` of it, the same for all CPUs: zeroed memory that stays. `c_bit` is the measured
 * mask. From then on CPUID asks nobody: in `vestibule_early_entry` once it was told of the table,
 * and on a CPU that was started with it (vestibule_setup::cpuid_table). SNP_CPUID_PAGE,
 * SNP_CPUID_CONFLICT: the page is not to be believed. */
vestibule_reason vestibule_snp_open_cpuid_page(struct vestibule_cpuid_table* table,
                                               const void* page, uint64_t c_bit);
void vestibule_early_entry_serves(const struct vestibule_cpuid_table* table);

/* Makes one page of RAM, mapped private at `now_at`, the hypervisor's too, by the MSR protocol:
 * for GHCB pages, before vestibule_cpu_start(). The caller then maps it with the C-bit clear, and
 * touches it by no other mapping. Later, vestibule_share() does all of it. `svsm`: as in the setup.
 */
vestibule_reason vestibule_snp_share_early(uint64_t now_at, uint64_t gpa,
                                           const struct vestibule_svsm* svsm);

/* ---- Memory ---- */

/* What is the guest's: ranges in ascending order. The hypervisor cannot touch it, and nothing that
 * is in it is ever validated again, which is what keeps the hypervisor from replacing a page
 * (APM 15.36.6). Filled in by the calls below; `ranges` has room for `most`. */
struct vestibule_snp_range {
    uint64_t base;
    uint64_t end;
};

struct vestibule_snp_record {
    struct vestibule_snp_range* ranges;
    uint32_t most;
    uint32_t count;
};

/* Enters what the launch has validated, or the stub: the kernel's image and all that was loaded
 * beside it. SNP_ACCEPTED_ALREADY: in there already, or no room. */
vestibule_reason vestibule_snp_has_accepted(struct vestibule_snp_record* record, uint64_t base,
                                            uint64_t end);

/* Accepts what of `gpa` to `gpa + size` is not in the record yet: asked for in lists of up to 253
 * pages, 2 MiB each where they may be, validated, and out of the caches (CVE-2025-38560). Mapped
 * private from `linear` on. Its contents are noise then. SNP_PAGE_STATE: the hypervisor does not
 * give it; SNP_PVALIDATE, SNP_VALIDATED_TWICE: or not what it says. What is then in the record must
 * not be used. */
vestibule_reason vestibule_snp_accept(struct vestibule_cpu* cpu,
                                      struct vestibule_snp_record* record, uint64_t linear,
                                      uint64_t gpa, uint64_t size);

/* The steps alone, at VMPL 0, for a kernel that keeps such a record itself. PVALIDATE of `size`
 * bytes that are mapped private: 2 MiB at once where address and size allow, page by page where the
 * hypervisor has them so. */
vestibule_reason vestibule_snp_validate(uint64_t linear, uint64_t size);
vestibule_reason vestibule_snp_rescind(uint64_t linear, uint64_t size);

/* Asks the hypervisor to assign pages of 4 KiB to the guest, or to have them (4.1, exit
 * 0x80000010): a list of up to 253 with a VMGEXIT, each answer checked. */
vestibule_reason vestibule_snp_change_pages(struct vestibule_cpu* cpu, uint64_t gpa, uint64_t pages,
                                            int is_shared);

/* ---- Further vCPUs ---- */

/* A vCPU to be started in 64-bit mode, with the caller's CR0, CR4, EFER, GDT and IDT. */
struct vestibule_snp_vcpu {
    uint32_t apic_id;
    uint32_t reserved;
    /* A page of its own: zero, mapped private at `vmsa`, and not at a multiple of 2 MiB, where
     * hosts refuse it for an erratum. It is the vCPU's until vestibule_snp_vcpu_destroy() says
     * otherwise, and never a VMSA twice: one that was is not zero. */
    uint64_t vmsa;
    uint64_t vmsa_gpa;
    uint64_t cr3;
    uint64_t rsp;      /* as at a function's entry: a multiple of 16, and 8 less */
    uint64_t argument; /* in RDI */
    void (*entry)(uint64_t argument);
    uint64_t svsm_area_gpa; /* below VMPL 0: a zero page for the vCPU's calls of the SVSM */
};

/* Makes the VMSA and has the vCPU started (4.1, exit 0x80000013). CALL_ARGUMENT: the page is not as
 * above; SNP_AP_CREATION: the hypervisor refuses. That it does not do as it says, or later, is
 * nothing that an answer can tell: wait for the vCPU's own word, and not for ever. */
vestibule_reason vestibule_snp_vcpu_create(struct vestibule_cpu* cpu,
                                           const struct vestibule_snp_vcpu* vcpu);

/* Has it ended. 0: its page is memory as any other. Else the hypervisor may run the vCPU on, and
 * the page stays lost. */
vestibule_reason vestibule_snp_vcpu_destroy(struct vestibule_cpu* cpu,
                                            const struct vestibule_snp_vcpu* vcpu);

/* ---- The secure processor ---- */

/* A conversation with it by one VMPCK (56860, 8.26): zeroed memory, private. One CPU at a time, and
 * one conversation for each VMPCK in the guest: REQUEST_UNDER_WAY tells of another CPU in it. The
 * encryption takes some hundred thousand instructions with interrupts as they are. */
#define VESTIBULE_SNP_MESSAGES_SIZE 12288

struct vestibule_snp_messages {
#ifdef __cplusplus
    alignas(4096)
#else
    _Alignas(4096)
#endif
        unsigned char opaque[VESTIBULE_SNP_MESSAGES_SIZE];
};

/* Two pages that vestibule_share() has made shared. */
struct vestibule_snp_pages {
    uint64_t request;
    uint64_t request_gpa;
    uint64_t response;
    uint64_t response_gpa;
};

/* `secrets` is the secrets page, mapped private and writable: how far the numbers of messages are
 * is kept there, for whoever comes next in this guest. `vmpck`: 0 to 3; a VMPL has its own and may
 * use those of the VMPLs below. REQUEST_NO_KEY: it was wiped. REQUEST_SEQUENCE: somebody has left
 * with a message under way, and the next one would be sealed with a number that was used. */
vestibule_reason vestibule_snp_open_messages(struct vestibule_cpu* cpu,
                                             struct vestibule_snp_messages* messages, void* secrets,
                                             uint8_t vmpck,
                                             const struct vestibule_snp_pages* pages);

/* What questions return, beside 0 and what any call of the GHCB's may: REQUEST_BUSY: the same call
 * again, after a while; REQUEST_REFUSED, REQUEST_STATUS: vestibule_snp_status() has the code;
 * REQUEST_BAD_ANSWER, REQUEST_SEQUENCE: that was the last message, the VMPCK is wiped.
 *
 * As long as a message has no answer, the library sends that one again and no other with its
 * number: a call with something else to ask does so first. */
uint64_t vestibule_snp_status(const struct vestibule_snp_messages* messages);

/* An attestation report (56860, 7.3), of whatever version the firmware makes; all so far have 1184
 * bytes. */
#define VESTIBULE_SNP_REPORT_SIZE 1184

struct vestibule_snp_report_request {
    uint8_t report_data[64]; /* comes back in the report: a hash of what it is to vouch for */
    uint32_t vmpl;           /* the caller's, or one below */
    uint32_t key;            /* 0: the host's choice, 1 VCEK, 2 VLEK */
};

/* `size` in: the room at `report`; out: its size. */
vestibule_reason vestibule_snp_report(struct vestibule_cpu* cpu,
                                      struct vestibule_snp_messages* messages,
                                      const struct vestibule_snp_report_request* request,
                                      void* report, size_t* size);

/* Certificates that the host gives with a report (4.1, exit 0x80000012). Nobody vouches for them
 * but their signatures. */
struct vestibule_snp_certificates {
    uint64_t shared;     /* pages in a row that are shared: where they are mapped, */
    uint64_t shared_gpa; /* and where they are */
    void* table;         /* private memory of as many bytes: the table is copied here */
    uint32_t pages;      /* REQUEST_CERTIFICATES: how many there would have to be, or 0 where the
                            table is none */
    uint32_t reserved;
    uint64_t size; /* out: the table's, with the certificates; entries point into it */
};

vestibule_reason vestibule_snp_extended_report(struct vestibule_cpu* cpu,
                                               struct vestibule_snp_messages* messages,
                                               const struct vestibule_snp_report_request* request,
                                               void* report, size_t* size,
                                               struct vestibule_snp_certificates* certificates);

/* One certificate of such a table, by its number from 0: 0 and where it is, or -1 behind the last.
 */
struct vestibule_snp_certificate {
    uint8_t guid[16];
    uint32_t offset;
    uint32_t size;
};

int vestibule_snp_read_certificate(const void* table, uint64_t size, uint32_t number,
                                   struct vestibule_snp_certificate* certificate);

/* A key that the chip derives for this guest (56860, 7.2): the same for the same request, always.
 */
struct vestibule_snp_key_request {
    uint32_t root; /* 0: of the chip's key, 1: of the VMRK; 2 more for VCEK, 4 more for VLEK */
    uint32_t reserved;
    uint64_t fields; /* what of the guest goes in: bit 0 policy, 1 image ID, 2 family ID,
                        3 measurement, 4 guest SVN, 5 TCB, 6 mitigation vector */
    uint32_t vmpl;
    uint32_t guest_svn;
    uint64_t tcb;
    uint64_t mitigation_vector;
};

vestibule_reason vestibule_snp_derived_key(struct vestibule_cpu* cpu,
                                           struct vestibule_snp_messages* messages,
                                           const struct vestibule_snp_key_request* request,
                                           uint8_t key[32]);

/* How the time-stamp counter of a guest with Secure TSC is made of the processor's. */
struct vestibule_tsc_info {
    uint64_t scale; /* fixed point, 32 bits behind it */
    uint64_t offset;
    uint32_t factor; /* the nominal frequency is this many hundred-thousandths too high */
    uint32_t reserved;
};

vestibule_reason vestibule_snp_tsc_info(struct vestibule_cpu* cpu,
                                        struct vestibule_snp_messages* messages,
                                        struct vestibule_tsc_info* info);

/* Nobody in this guest asks with this VMPCK any more: it is wiped, here and in the secrets page. 0,
 * or REQUEST_UNDER_WAY: another CPU is asking. */
vestibule_reason vestibule_snp_forget_key(struct vestibule_snp_messages* messages);

/* ---- A service at VMPL 0 ---- */

/* How one CPU calls an SVSM (58019): by a page that it shares with it. Where there is one, the
 * calls above go through it. */
struct vestibule_svsm {
    uint64_t area; /* where the page is mapped, private; for the kernel to fill in */
    uint64_t area_gpa;
    uint64_t vmpl; /* of this guest, 1 to 3; 0: there is no SVSM, and this is VMPL 0 */
};

/* What the secrets page says. SVSM_AREA: what it says cannot be. */
vestibule_reason vestibule_svsm_find(struct vestibule_svsm* svsm, const void* secrets);

/* One call; RCX, RDX, R8 and R9 go in and come back, RAX is the SVSM's answer, 0 where it has done
 * it. SVSM_NOT_ANSWERING: the hypervisor has not run it. Protocols: 0 core, 1 attestation, 2 vTPM.
 */
struct vestibule_svsm_registers {
    uint64_t rax, rcx, rdx, r8, r9;
};

vestibule_reason vestibule_svsm_call(const struct vestibule_svsm* svsm, uint32_t protocol,
                                     uint32_t call, struct vestibule_svsm_registers* registers);

/* From the page that the SVSM has chosen to a zero page of the kernel's own. */
vestibule_reason vestibule_svsm_remap(struct vestibule_svsm* svsm, uint64_t area, uint64_t gpa);

/* Memory of the attestation protocol, private and in one piece; `size` in: the room; out: what
 * there is. */
struct vestibule_svsm_buffer {
    uint64_t gpa;
    uint32_t size;
    uint32_t reserved; /* 0 */
};

/* The attestation protocol: a report that the SVSM asks for, at VMPL 0. Its REPORT_DATA are SHA-512
 * of the nonce and the manifest, which says what services there are, or what one of them says of
 * itself. */
struct vestibule_svsm_attestation {
    struct vestibule_svsm_buffer report; /* 56860, "Attestation Report" */
    struct vestibule_svsm_buffer nonce;  /* in alone */
    struct vestibule_svsm_buffer manifest;
    struct vestibule_svsm_buffer certificates; /* as vestibule_snp_read_certificate() takes them;
                                                  size 0: none are wanted */
    uint8_t service[16];                       /* GUID, where `is_single` is not 0 */
    uint32_t manifest_version;                 /* of that service */
    uint32_t is_single;                        /* 0: of all services */
};

/* SVSM_REFUSED: with sizes, there is less room than they say; with zeros, it does not speak the
 * protocol or wants none of it. CALL_ARGUMENT: reserved words that are not zero. */
vestibule_reason vestibule_svsm_attest(const struct vestibule_svsm* svsm,
                                       struct vestibule_svsm_attestation* attestation);

/* The versions of a protocol that it speaks; 0 to 0: none. */
vestibule_reason vestibule_svsm_versions(const struct vestibule_svsm* svsm, uint32_t protocol,
                                         uint32_t* lowest, uint32_t* highest);

/* What platform commands of a virtual TPM it takes, a bit each (bit 8: TPM commands), and which
 * features. SVSM_REFUSED: it has no TPM. */
vestibule_reason vestibule_svsm_vtpm_query(const struct vestibule_svsm* svsm, uint64_t* commands,
                                           uint64_t* features);

/* A page of yours, private, by which TPM commands go there and back. */
struct vestibule_svsm_page {
    uint64_t linear;
    uint64_t gpa;
};

/* A TPM command, up to 4,087 bytes, and its response. `response_size` in: the room; out: what there
 * is. SVSM_REFUSED: with a size, there is less room than that; with 0, it takes no such command.
 * CALL_ARGUMENT: the page is none, or the command's size cannot be. */
vestibule_reason vestibule_svsm_vtpm_command(const struct vestibule_svsm* svsm,
                                             const struct vestibule_svsm_page* page,
                                             uint8_t locality, const void* command,
                                             uint32_t command_size, void* response,
                                             uint32_t* response_size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
