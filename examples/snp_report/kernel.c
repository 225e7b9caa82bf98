// SPDX-License-Identifier: BSD-2-Clause-Patent
/* A kernel in an SEV-SNP guest that is asked for a proof of what it is: it reads a nonce from the
 * serial port, has the secure processor make an attestation report over it, and prints that in
 * hexadecimal digits. Who sent the nonce checks the report with `igvmtool report`. */
#include "instructions.h"

#include <vestibule/calls.h>
#include <vestibule/reasons.h>
#include <vestibule/share.h>
#include <vestibule/snp.h>

enum {
    page_size   = 4096,
    code_select = 0x08, /* as the IGVM file's VP context has it loaded */
    task_select = 0x18,
    vc_ist      = 1,
    com1        = 0x3F8, /* to people */
    com2        = 0x2F8, /* where a program has a line of its own */
    exit_port   = 0xF4
};

#pragma GCC visibility push(hidden)               /* reached without a table of addresses */
extern unsigned char image_start[], cpuid_page[]; /* kernel.ld; behind it the secrets page */
void fault(void);                                 /* start.S */
void kernel_main(void);                           /* called from there */
#pragma GCC visibility pop

static struct vestibule_cpu cpu;
static struct vestibule_cpuid_table cpuid_table;
static struct vestibule_snp_messages messages;
static struct vestibule_platform platform;
static _Alignas(page_size) unsigned char ghcb[page_size], request[page_size], response[page_size];
static _Alignas(page_size) uint64_t pml4[512], directory_pointers[512], directory[512], pages[512];
static _Alignas(16) unsigned char tss[104], idt[32 * 16];
static uint64_t gdt[5];
/* Filled in at run time: nobody relocates a pointer in this image. */
static struct vestibule_mapper mapper;
static struct vestibule_setup setup;
static struct vestibule_snp_pages shared;

static void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

/* ---- The serial port ---- */

static void print(const char* text) {
    size_t length = 0;
    while (text[length] != 0) {
        ++length;
    }
    vestibule_write(&cpu, com1, text, length);
}

static void print_hex(const unsigned char* bytes, size_t size) {
    for (size_t n = 0; n < size; ++n) {
        const char digits[3] = {"0123456789abcdef"[bytes[n] >> 4],
                                "0123456789abcdef"[bytes[n] & 15], 0};
        print(digits);
    }
    print("\n");
}

/* From whichever port has one; a port that is not there reads as ones. */
static char read_character(void) {
    for (uint16_t port = com1;; port ^= com1 ^ com2) {
        const uint32_t status = vestibule_in(&cpu, (uint16_t)(port + 5), 1);
        if (status != 0xFF && (status & 1) != 0) {
            return (char)vestibule_in(&cpu, port, 1);
        }
        __asm__ volatile("pause");
    }
}

/* Up to 64 bytes of hexadecimal digits, up to the end of the line. */
static void read_nonce(unsigned char* bytes) {
    for (unsigned n = 0;;) {
        const char c = read_character();
        if (c == '\n' || c == '\r') {
            return;
        }
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit >= 0 && n < 128) {
            bytes[n / 2] = (unsigned char)(bytes[n / 2] << 4 | digit);
            ++n;
        }
    }
}

/* ---- Page tables ---- */

/* The C-bit that the image was built and measured with: the table that the vCPU was started on, in
 * the image's first page, carries it in an entry that points to itself. */
static uint64_t measured_c_bit(void) {
    return *(const volatile uint64_t*)image_start & ~((uint64_t)image_start | 0xFFF);
}

/* The library's way to this kernel's page tables. */
static int map_page(void* opaque, uint64_t linear, uint64_t gpa, int is_shared) {
    (void)opaque;
    const uint64_t n = (linear - (uint64_t)image_start) / page_size;
    if (n >= 512 || linear != gpa) {
        return -1;
    }
    pages[n] = gpa | 0x63 | (is_shared ? 0 : platform.c_bit); /* present, writable, A, D */
    load_cr3((uint64_t)pml4 | platform.c_bit);
    return 0;
}

/* Maps the image's 2 MiB as they are, private. */
static void load_page_tables(uint64_t c_bit) {
    const uint64_t base = (uint64_t)image_start, table = 0x23 | c_bit;
    for (unsigned n = 0; n < 512; ++n) {
        pages[n] = (base + n * page_size) | 0x63 | c_bit;
    }
    pml4[base >> 39 & 511]               = (uint64_t)directory_pointers | table;
    directory_pointers[base >> 30 & 511] = (uint64_t)directory | table;
    directory[base >> 21 & 511]          = (uint64_t)pages | table;
    load_cr3((uint64_t)pml4 | c_bit);
}

/* ---- The CPU ---- */

static void load_segments(void) {
    const uint64_t at = (uint64_t)tss;
    gdt[1]            = 0x00AF9B000000FFFF; /* 64-bit code, CPL 0 */
    gdt[2]            = 0x00CF93000000FFFF; /* data */
    gdt[3] = (sizeof tss - 1) | (at & 0xFFFFFF) << 16 | 0x89ull << 40 | (at >> 24 & 0xFF) << 56;
    gdt[4] = at >> 32;
    load_gdt(gdt, sizeof gdt);
    load_task_register(task_select);
}

static void start_cpu(void) {
    /* Before anything that can raise #VC. */
    for (unsigned vector = 0; vector < 32; ++vector) {
        vestibule_set_gate(idt, (uint8_t)vector, fault, code_select, 0);
    }
    vestibule_set_gate(idt, 29, vestibule_early_entry, code_select, 0);
    load_idt(idt, sizeof idt);

    /* CPUID is what the secure processor has checked; the hypervisor is not asked. */
    must(vestibule_snp_open_cpuid_page(&cpuid_table, cpuid_page, measured_c_bit()));
    vestibule_early_entry_serves(&cpuid_table);
    must(vestibule_identify(&platform));
    if (platform.c_bit != measured_c_bit()) {
        must(VESTIBULE_REASON_C_BIT_MISMATCH);
    }
    load_page_tables(platform.c_bit);
    load_segments();

    must(vestibule_snp_share_early((uint64_t)ghcb, (uint64_t)ghcb, NULL));
    map_page(NULL, (uint64_t)ghcb, (uint64_t)ghcb, 1);
    setup.ghcb             = ghcb;
    setup.ghcb_gpa         = (uint64_t)ghcb; /* identity-mapped */
    setup.c_bit            = platform.c_bit;
    setup.tss              = tss;
    setup.vc_ist           = vc_ist;
    setup.kernel_code      = code_select;
    setup.protocol_version = platform.protocol_version;
    setup.cpuid_table      = &cpuid_table;
    must(vestibule_cpu_start(&cpu, &setup));
    vestibule_set_gate(idt, 29, vestibule_vc_entry, code_select, vc_ist);
}

/* ---- The report ---- */

static void share(unsigned char* page) {
    mapper.map = map_page;
    must(vestibule_share(&cpu, (uint64_t)page, (uint64_t)page, (uint64_t)page, &mapper));
}

/* A host that is busy has seen the message, and gets the same one again, after a while. */
static vestibule_reason ask(const struct vestibule_snp_report_request* question, void* report,
                            size_t* size) {
    vestibule_reason reason = VESTIBULE_REASON_REQUEST_BUSY;
    for (unsigned n = 0; n < 100 && reason == VESTIBULE_REASON_REQUEST_BUSY; ++n) {
        reason = vestibule_snp_report(&cpu, &messages, question, report, size);
    }
    return reason;
}

void kernel_main(void) {
    start_cpu();
    share(request);
    share(response);
    shared.request = shared.request_gpa = (uint64_t)request;
    shared.response = shared.response_gpa = (uint64_t)response;
    must(vestibule_snp_open_messages(&cpu, &messages, cpuid_page + page_size, 0, &shared));

    static struct vestibule_snp_report_request question;
    static unsigned char report[VESTIBULE_SNP_REPORT_SIZE];
    size_t size = sizeof report;
    print("Nonce, in hexadecimal digits?\n");
    read_nonce(question.report_data);
    must(ask(&question, report, &size));
    must(vestibule_snp_forget_key(
        &messages)); /* the only report of this guest, whoever takes it over */

    const struct cpuid_result vendor = cpuid(0, 0); /* by #VC, from the page */
    const uint32_t letters[4]        = {vendor.ebx, vendor.edx, vendor.ecx, 0};
    print("CPUID says: ");
    print((const char*)letters);
    print("\nReport: ");
    print_hex(report, size);
    vestibule_out(&cpu, exit_port, 1, 0);
}
