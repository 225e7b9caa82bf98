// SPDX-License-Identifier: BSD-2-Clause-Patent
/* A kernel in an SEV-ES guest: from the IGVM file's 64-bit mode to CPUID, IN, OUT and RDMSR that
 * just work, with Vestibule serving #VC and NMI. What it does per CPU is in cpu_start(). */
#include "instructions.h"

#include <vestibule/reasons.h>
#include <vestibule/vestibule.h>

enum {
    cpu_count   = 1, /* what the machine has; a second one would run cpu_start() on its own */
    page_size   = 4096,
    code_select = 0x08, /* as the IGVM file's VP context has it loaded */
    task_select = 0x18,
    vc_ist      = 1,
    nmi_ist     = 2,
    com1        = 0x3F8,
    exit_port   = 0xF4
};

extern unsigned char image_start[]; /* kernel.ld */
void fault(void);                   /* start.S */
void kernel_main(void);             /* called from there */

/* Whatever a CPU has for itself. The library fills in the TSS's two ISTs. */
struct cpu {
    struct vestibule_cpu vestibule;
    _Alignas(page_size) unsigned char ghcb[page_size];
    _Alignas(16) unsigned char tss[104];
    uint64_t gdt[5];
    volatile unsigned nmis;
};

static struct cpu cpus[cpu_count];
static _Alignas(16) unsigned char idt[32 * 16];
static _Alignas(page_size) uint64_t pml4[512], directory_pointers[512], directory[512], pages[512];

static void print(const char* text) {
    for (; *text != 0; ++text) {
        while ((in8(com1 + 5) & 0x20) == 0) {
        }
        out8(com1, (uint8_t)*text);
    }
}

static void print_hex(const char* what, uint64_t value) {
    print(what);
    for (int shift = 60; shift >= 0; shift -= 4) {
        const char digit[2] = {"0123456789abcdef"[value >> shift & 15], 0};
        print(digit);
    }
    print("\n");
}

/* Called by the library on the NMI stack; #VC works here too. */
static void on_nmi(const struct vestibule_frame* frame, void* opaque) {
    struct cpu* cpu = opaque;
    (void)frame;
    (void)cpuid(0, 0);
    print(cpu->nmis++ == 0 ? "<NMI>" : "<another NMI>");
}

/* The C-bit that the image was built and measured with: the table that the vCPU was started on, in
 * the image's first page, carries it in an entry that points to itself. */
static uint64_t measured_c_bit(void) {
    return *(const volatile uint64_t*)image_start & ~((uint64_t)image_start | 0xFFF);
}

/* Maps the image's 2 MiB as they are, private, but for the GHCB pages. A kernel maps more, and
 * takes care of rights. */
static void load_page_tables(uint64_t c_bit) {
    const uint64_t table = 0x23 | c_bit,
                   page  = 0x63 | c_bit; /* present, writable, accessed, dirty */
    const uint64_t base  = (uint64_t)image_start;
    for (unsigned n = 0; n < 512; ++n) {
        pages[n] = (base + n * page_size) | page;
    }
    for (unsigned n = 0; n < cpu_count; ++n) {
        for (unsigned at = 0; at < page_size; at += 64) {
            flush_cache_line(cpus[n].ghcb
                             + at); /* of what was written to it while it was private */
        }
        pages[((uint64_t)cpus[n].ghcb - base) / page_size] &= ~c_bit;
    }
    pml4[base >> 39 & 511]               = (uint64_t)directory_pointers | table;
    directory_pointers[base >> 30 & 511] = (uint64_t)directory | table;
    directory[base >> 21 & 511]          = (uint64_t)pages | table;
    load_cr3((uint64_t)pml4 | c_bit);
}

static void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

static void load_segments(struct cpu* cpu) {
    const uint64_t tss = (uint64_t)cpu->tss;
    cpu->gdt[1]        = 0x00AF9B000000FFFF; /* 64-bit code, CPL 0 */
    cpu->gdt[2]        = 0x00CF93000000FFFF; /* data */
    cpu->gdt[3] =
        (sizeof cpu->tss - 1) | (tss & 0xFFFFFF) << 16 | 0x89ull << 40 | (tss >> 24 & 0xFF) << 56;
    cpu->gdt[4] = tss >> 32;
    load_gdt(cpu->gdt, sizeof cpu->gdt);
    load_task_register(task_select);
}

/* To be run on that CPU, interrupts off. */
static void cpu_start(struct cpu* cpu, const struct vestibule_platform* platform) {
    const struct vestibule_setup setup = {
        .ghcb             = cpu->ghcb,
        .ghcb_gpa         = (uint64_t)cpu->ghcb, /* identity-mapped */
        .c_bit            = platform->c_bit,
        .direct_map       = 0, /* page tables are where they are */
        .tss              = cpu->tss,
        .vc_ist           = vc_ist,
        .nmi_ist          = nmi_ist,
        .kernel_code      = code_select,
        .protocol_version = platform->protocol_version,
        .nmi              = on_nmi,
        .opaque           = cpu,
    };
    load_segments(cpu);
    must(vestibule_cpu_start(&cpu->vestibule, &setup));
}

void kernel_main(void) {
    /* Before anything that can raise #VC. */
    for (unsigned vector = 0; vector < 32; ++vector) {
        vestibule_set_gate(idt, (uint8_t)vector, fault, code_select, 0);
    }
    vestibule_set_gate(idt, 29, vestibule_early_entry, code_select, 0);
    load_idt(idt, sizeof idt);

    struct vestibule_platform platform;
    must(vestibule_identify(&platform));
    if (platform.c_bit != measured_c_bit()) {
        must(VESTIBULE_REASON_C_BIT_MISMATCH);
    }
    load_page_tables(platform.c_bit);

    cpu_start(&cpus[0], &platform);
    /* The IDT is every CPU's. */
    vestibule_set_gate(idt, 29, vestibule_vc_entry, code_select, vc_ist);
    vestibule_set_gate(idt, 2, vestibule_nmi_entry, code_select, nmi_ist);

    print("Hello from a kernel that links Vestibule.\n");
    const struct cpuid_result vendor = cpuid(0, 0);
    const uint32_t letters[4]        = {vendor.ebx, vendor.edx, vendor.ecx, 0};
    print("CPUID says: ");
    print((const char*)letters);
    print_hex("\nMTRR default type: ", rdmsr(0x2FF));
    print_hex("GHCB protocol version: ", platform.protocol_version);
    print_hex("NMIs: ", cpus[0].nmis);
    out8(exit_port, 0);
}
