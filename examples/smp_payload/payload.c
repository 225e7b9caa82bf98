// SPDX-License-Identifier: BSD-2-Clause-Patent
/* A payload that takes over from the stub: page tables, GDT, TSS and IDT of its own, the library on
 * every vCPU, further vCPUs from the stub's mailbox, and a timer interrupt on each from its local
 * APIC, which it reaches without a #VC. */
#include "instructions.h"

#include <vestibule/boot_info.h>
#include <vestibule/calls.h>
#include <vestibule/reasons.h>

enum {
    max_cpus     = 8,
    page_size    = 4096,
    large_page   = 0x200000,
    code_select  = 0x08,
    task_select  = 0x18,
    vc_ist       = 1,
    com1         = 0x3F8,
    exit_port    = 0xF4,
    timer_vector = 0x40,
    ticks_wanted = 3
};

/* The local APIC (APM volume 2, chapter 16), where the stub's tables map it shared, and ours. */
#define APIC 0xFEE00000u

enum {
    apic_id          = 0x20,
    apic_eoi         = 0xB0,
    apic_spurious    = 0xF0,
    apic_command     = 0x300,
    apic_destination = 0x310,
    apic_timer       = 0x320,
    apic_count       = 0x380,
    apic_divide      = 0x3E0
};

struct cpu {
    struct vestibule_cpu vestibule;
    _Alignas(16) unsigned char stack[16384];
    _Alignas(16) unsigned char tss[104];
    uint64_t gdt[5];
    volatile unsigned ticks;
};

void start(const struct vestibule_boot_info* info);

static struct cpu cpus[max_cpus];
/* Together in one region of 2 MiB, which they are too small to leave. */
static _Alignas(max_cpus* page_size) unsigned char ghcbs[max_cpus][page_size];
static _Alignas(page_size) uint64_t pml4[512], directory_pointers[512],
    directories[4][512], pages[512];
static _Alignas(16) unsigned char idt[256 * 16];
static const struct vestibule_boot_info* boot;
static volatile int printing;

static unsigned this_cpu(void) {
    /* Each has its own GDT, which says who it is without any memory of the kernel's. */
    struct table_register gdtr;
    __asm__ volatile("sgdt %0" : "=m"(gdtr));
    for (unsigned n = 0; n < max_cpus; ++n) {
        if (gdtr.base == (uint64_t)cpus[n].gdt) {
            return n;
        }
    }
    return 0;
}

static void print(struct cpu* cpu, const char* text) {
    size_t length = 0;
    while (text[length] != 0) {
        ++length;
    }
    vestibule_write(&cpu->vestibule, com1, text, length);
}

static void print_line(struct cpu* cpu, const char* text, unsigned number) {
    const char digit[] = {(char)('0' + number), '\n', 0};
    while (__atomic_exchange_n(&printing, 1, __ATOMIC_ACQUIRE) != 0) {
        __asm__ volatile("pause");
    }
    print(cpu, text);
    print(cpu, digit);
    __atomic_store_n(&printing, 0, __ATOMIC_RELEASE);
}

static void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

static uint32_t apic_read(struct cpu* cpu, unsigned offset) {
    return (uint32_t)vestibule_mmio_read(&cpu->vestibule, APIC + offset, 4);
}

static void apic_write(struct cpu* cpu, unsigned offset, uint32_t value) {
    vestibule_mmio_write(&cpu->vestibule, APIC + offset, 4, value);
}

__attribute__((interrupt)) static void on_timer(void* frame) {
    (void)frame;
    struct cpu* cpu = &cpus[this_cpu()];
    ++cpu->ticks;
    apic_write(cpu, apic_eoi, 0);
}

__attribute__((interrupt)) static void on_fault(void* frame) {
    (void)frame;
    vestibule_terminate(VESTIBULE_REASON_GENERAL);
}

/* The first 4 GiB as they are: private, but for the GHCB pages and the last GiB, where RAM would be
 * if there were more than 3 GiB of it, which this example does not look for. */
static void make_page_tables(uint64_t c_bit) {
    const uint64_t table = 0x23 | c_bit, large = 0xE3 | c_bit, page = 0x63 | c_bit;
    const uint64_t region = (uint64_t)ghcbs & ~(uint64_t)(large_page - 1);
    for (unsigned n = 0; n < 4 * 512; ++n) {
        const uint64_t at             = (uint64_t)n * large_page;
        directories[n / 512][n % 512] = n < 3 * 512 ? at | large : (at | large) & ~c_bit;
    }
    for (unsigned n = 0; n < 512; ++n) {
        pages[n] = (region + n * page_size) | page;
    }
    for (unsigned n = 0; n < max_cpus; ++n) {
        for (unsigned at = 0; at < page_size; at += 64) {
            flush_cache_line(ghcbs[n] + at);
        }
        pages[((uint64_t)ghcbs[n] - region) / page_size] &= ~c_bit;
    }
    directories[region >> 30][region >> 21 & 511] = (uint64_t)pages | table;
    for (unsigned n = 0; n < 4; ++n) {
        directory_pointers[n] = (uint64_t)directories[n] | table;
    }
    pml4[0] = (uint64_t)directory_pointers | table;
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
    load_cr3((uint64_t)pml4 | boot->c_bit);
}

/* Nothing here raises #VC until the library has started. */
static void cpu_start(unsigned n) {
    struct cpu* cpu                    = &cpus[n];
    const struct vestibule_setup setup = {
        .ghcb             = ghcbs[n],
        .ghcb_gpa         = (uint64_t)ghcbs[n],
        .c_bit            = boot->c_bit,
        .tss              = cpu->tss,
        .vc_ist           = vc_ist,
        .kernel_code      = code_select,
        .protocol_version = boot->ghcb_version,
    };
    load_segments(cpu);
    must(vestibule_cpu_start(&cpu->vestibule, &setup));
}

static void take_ticks(struct cpu* cpu) {
    apic_write(cpu, apic_spurious, 0x1FF);
    apic_write(cpu, apic_divide, 0xB);
    apic_write(cpu, apic_timer, 1u << 17 | timer_vector); /* periodic */
    apic_write(cpu, apic_count, 1000000);
    while (cpu->ticks < ticks_wanted) {
        __asm__ volatile("sti; hlt; cli");
    }
    apic_write(cpu, apic_timer, 1u << 16); /* masked */
}

static volatile unsigned done;

static void run(unsigned n) {
    take_ticks(&cpus[n]);
    print_line(&cpus[n], "Timer ticks on CPU ", n);
    __atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
}

/* Where the stub lets a vCPU go: no GDT, no IDT, the stub's page tables. */
static void ap_start(uint64_t n) {
    cpu_start((unsigned)n);
    load_idt(idt, sizeof idt);
    run((unsigned)n);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void start_others(struct cpu* cpu, struct vestibule_ap_mailbox* box, unsigned count) {
    for (unsigned n = 1; n < count; ++n) {
        const uint64_t taken = __atomic_load_n(&box->taken, __ATOMIC_ACQUIRE);
        box->argument        = n;
        box->stack           = (uint64_t)(cpus[n].stack + sizeof cpus[n].stack);
        __atomic_store_n(&box->entry, (uint64_t)ap_start, __ATOMIC_RELEASE);
        apic_write(cpu, apic_destination, n << 24);
        apic_write(cpu, apic_command, 0x4500); /* INIT */
        apic_write(cpu, apic_destination, n << 24);
        apic_write(cpu, apic_command, 0x4600); /* SIPI */
        while (__atomic_load_n(&box->taken, __ATOMIC_ACQUIRE) == taken) {
            __asm__ volatile("pause");
        }
    }
}

void start(const struct vestibule_boot_info* info) {
    boot = info;
    make_page_tables(boot->c_bit);
    for (unsigned vector = 0; vector < 32; ++vector) {
        vestibule_set_gate(idt, (uint8_t)vector, (void (*)(void))on_fault, code_select, 0);
    }
    cpu_start(0);
    vestibule_set_gate(idt, 29, vestibule_vc_entry, code_select, vc_ist);
    vestibule_set_gate(idt, timer_vector, (void (*)(void))on_timer, code_select, 0);
    load_idt(idt, sizeof idt);

    struct cpu* first    = &cpus[0];
    const unsigned count = boot->vcpus < max_cpus ? boot->vcpus : max_cpus;
    print(first, "Hello from a payload with the library.\n");
    print_line(first, "vCPUs: ", count);
    print_line(first, "APIC ID: ", apic_read(first, apic_id) >> 24);
    out8(0x21, 0xFF); /* the PICs' interrupts are masked: by #VC, which works too */
    out8(0xA1, 0xFF);
    if (boot->ap_mailbox != 0) {
        start_others(first, (struct vestibule_ap_mailbox*)boot->ap_mailbox, count);
    }
    run(0);
    while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) != count) {
        __asm__ volatile("pause");
    }
    print(first, "All are done.\n");
    out8(exit_port, 0);
    for (;;) {
    }
}
