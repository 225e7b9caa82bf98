// SPDX-License-Identifier: BSD-2-Clause-Patent
/* Instructions that C has no words for. Those marked #VC are intercepted in an SEV-ES guest. */
#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H

#include <stdint.h>

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

/* #VC */
static inline void out8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

/* #VC */
static inline uint8_t in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* #VC */
static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid_result r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

/* #VC but for a few registers */
static inline uint64_t rdmsr(uint32_t msr) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void load_gdt(const void* gdt, uint16_t size) {
    const struct table_register gdtr = {(uint16_t)(size - 1), (uint64_t)gdt};
    __asm__ volatile("lgdt %0" : : "m"(gdtr));
}

static inline void load_idt(const void* idt, uint16_t size) {
    const struct table_register idtr = {(uint16_t)(size - 1), (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

static inline void load_task_register(uint16_t selector) {
    __asm__ volatile("ltr %0" : : "r"(selector));
}

static inline void load_cr3(uint64_t value) {
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void flush_cache_line(const void* line) {
    __asm__ volatile("clflush (%0)" : : "r"(line) : "memory");
}

#endif
