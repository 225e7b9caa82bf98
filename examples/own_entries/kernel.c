// SPDX-License-Identifier: BSD-2-Clause-Patent
/* A kernel that keeps its own #VC and NMI entries, as Linux does: the library serves the #VC whose
 * registers it is given, and needs two pages and no TSS. The NMI's handler raises no #VC, since it
 * makes calls instead: it may come at any instruction of the #VC handler, whose stack stays as it
 * is. */
#include "instructions.h"

#include <vestibule/calls.h>
#include <vestibule/reasons.h>
#include <vestibule/vestibule.h>

enum {
    page_size   = 4096,
    code_select = 0x08,
    task_select = 0x18,
    vc_ist      = 1,
    nmi_ist     = 2,
    com1        = 0x3F8,
    exit_port   = 0xF4
};

extern unsigned char image_start[]; /* kernel.ld */

/* entries.S, and what it calls. */
void vc_entry(void);
void gp_entry(void);
void nmi_entry(void);
void fault(void); /* start.S */
void on_vc(struct vestibule_frame* frame);
void on_exception(struct vestibule_frame* frame, unsigned vector);
void on_nmi(const struct vestibule_frame* frame);
void nmi_complete(void);
void kernel_main(void);

struct task_state {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, io_map_base;
} __attribute__((packed));

static struct vestibule_core core;
static _Alignas(page_size) unsigned char ghcb[page_size];
static _Alignas(16) unsigned char vc_stack[8192], nmi_stack[8192];
static struct task_state tss;
static uint64_t gdt[5];
static _Alignas(16) unsigned char idt[32 * 16];
static _Alignas(page_size) uint64_t pml4[512], directory_pointers[512], directory[512], pages[512];
static volatile unsigned faults, nmis;

/* The library's view of this CPU: the block's beginning is all that it needs. */
static struct vestibule_cpu* cpu(void) { return (struct vestibule_cpu*)&core; }

void on_vc(struct vestibule_frame* frame) {
    /* A hypervisor can leave out the error code; the CPU aligns the stack to 16 before pushing. */
    if ((uintptr_t)&frame->error_code % 16 != 0) {
        vestibule_terminate(VESTIBULE_REASON_BAD_FRAME);
    }
    const unsigned vector = vestibule_handle_vc(cpu(), frame, 0);
    if (vector != 0) {
        on_exception(frame, vector);
    }
}

/* From the CPU or from a #VC, it is the same: here RDMSR of a register that is not there, which is
 * stepped over. Anything else is the end. */
void on_exception(struct vestibule_frame* frame, unsigned vector) {
    const unsigned char* code = (const unsigned char*)frame->rip;
    if (vector != 13 || code[0] != 0x0F || code[1] != 0x32) {
        vestibule_terminate_at(cpu(),
                               (vestibule_reason)(VESTIBULE_REASON_UNEXPECTED_EXCEPTION + vector),
                               frame->rip, frame->error_code, 0);
    }
    frame->rip += 2;
    ++faults;
}

void on_nmi(const struct vestibule_frame* frame) {
    (void)frame;
    ++nmis;
    vestibule_write(cpu(), com1, "<NMI>", 5);
}

void nmi_complete(void) { vestibule_nmi_complete(cpu()); }

static void print(const char* text) {
    for (; *text != 0; ++text) {
        out8(com1, (uint8_t)*text);
    }
}

static void print_number(const char* what, unsigned value) {
    const char digit[] = {(char)('0' + value % 10), '\n', 0};
    print(what);
    print(digit);
}

static void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

static void load_segments(void) {
    const uint64_t base = (uint64_t)&tss;
    gdt[1]              = 0x00AF9B000000FFFF; /* 64-bit code, CPL 0 */
    gdt[2]              = 0x00CF93000000FFFF; /* data */
    gdt[3] = (sizeof tss - 1) | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    gdt[4] = base >> 32;
    tss.ist[vc_ist - 1]  = (uint64_t)(vc_stack + sizeof vc_stack);
    tss.ist[nmi_ist - 1] = (uint64_t)(nmi_stack + sizeof nmi_stack);
    load_gdt(gdt, sizeof gdt);
    load_task_register(task_select);
}

/* The C-bit that the image was built and measured with: the table that the vCPU was started on, in
 * the image's first page, carries it in an entry that points to itself. */
static uint64_t measured_c_bit(void) {
    return *(const volatile uint64_t*)image_start & ~((uint64_t)image_start | 0xFFF);
}

static void load_page_tables(uint64_t c_bit) {
    const uint64_t table = 0x23 | c_bit, page = 0x63 | c_bit;
    const uint64_t base = (uint64_t)image_start;
    for (unsigned n = 0; n < 512; ++n) {
        pages[n] = (base + n * page_size) | page;
    }
    for (unsigned at = 0; at < page_size; at += 64) {
        flush_cache_line(ghcb + at);
    }
    pages[((uint64_t)ghcb - base) / page_size] &= ~c_bit;
    pml4[base >> 39 & 511]               = (uint64_t)directory_pointers | table;
    directory_pointers[base >> 30 & 511] = (uint64_t)directory | table;
    directory[base >> 21 & 511]          = (uint64_t)pages | table;
    load_cr3((uint64_t)pml4 | c_bit);
}

/* No IST of the library's, so no TSS for it. */
static void start_library(const struct vestibule_platform* platform) {
    const struct vestibule_setup setup = {
        .ghcb             = ghcb,
        .ghcb_gpa         = (uint64_t)ghcb,
        .c_bit            = platform->c_bit,
        .kernel_code      = code_select,
        .protocol_version = platform->protocol_version,
    };
    must(vestibule_cpu_start(cpu(), &setup));
}

void kernel_main(void) {
    for (unsigned vector = 0; vector < 32; ++vector) {
        vestibule_set_gate(idt, (uint8_t)vector, fault, code_select, 0);
    }
    vestibule_set_gate(idt, 29, vestibule_early_entry, code_select, 0);
    vestibule_set_gate(idt, 13, gp_entry, code_select, 0);
    load_idt(idt, sizeof idt);

    struct vestibule_platform platform;
    must(vestibule_identify(&platform));
    if (platform.c_bit != measured_c_bit()) {
        must(VESTIBULE_REASON_C_BIT_MISMATCH);
    }
    load_page_tables(platform.c_bit);
    load_segments();
    start_library(&platform);
    vestibule_set_gate(idt, 29, vc_entry, code_select, vc_ist);
    vestibule_set_gate(idt, 2, nmi_entry, code_select, nmi_ist);

    print("Hello from a kernel with entries of its own.\n");
    const struct cpuid_result vendor = cpuid(0, 0);
    print(vendor.ebx == 0x68747541 ? "CPUID: Auth\n" : "CPUID: another one\n");
    (void)rdmsr(0x12345678);
    print_number("#GP: ", faults);
    print_number("NMIs: ", nmis);
    out8(exit_port, 0);
}
