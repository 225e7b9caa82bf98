// SPDX-License-Identifier: BSD-2-Clause-Patent
/* Memory that a device or the hypervisor is to read and write: from private to shared and back, a
 * page at a time. The steps and their order are the library's (APM volume 2, sections 15.34.5 and
 * 15.34.9), the page tables the kernel's, in whatever form it keeps them. */
#ifndef VESTIBULE_SHARE_H
#define VESTIBULE_SHARE_H

#include "vestibule.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(hidden)

/* How the kernel maps a page. */
struct vestibule_mapper {
    /* Maps `gpa` writable at `linear`, with the C-bit clear where `is_shared` is not 0 and set
     * where it is; whatever was mapped there before must be in no CPU's TLB when this returns. 0,
     * or not 0 where it cannot: nothing is changed then. */
    int (*map)(void* opaque, uint64_t linear, uint64_t gpa, int is_shared);
    void* opaque;
};

/* Makes the page of RAM at `gpa` shared. `now_at` is where it is mapped, private; `shared_at` is
 * where it will be mapped shared: the same address, or another one, an alias beside the direct map.
 * Then the private mapping may stay, as long as nobody writes by it and what is read there is not
 * used: the library flushes the page's cache lines, and only a write would make new ones that are
 * written back over the shared contents.
 *
 * The page holds zeros then: nothing that was in it is shown. 0; or SHARE_ADDRESS, an address that
 * is not a page's or not where the tables say; SHARE_MAPPING, `map` failed, or has not mapped what
 * it should. Under SEV-SNP the page's state is changed with the hypervisor first, or a SNP_* or
 * GHCB_* says why not. After any reason but SHARE_ADDRESS the page is to be used by nobody. */
vestibule_reason vestibule_share(struct vestibule_cpu* cpu, uint64_t now_at, uint64_t shared_at,
                                 uint64_t gpa, const struct vestibule_mapper* mapper);

/* The way back: the page is private at `private_at` then, and holds zeros. The caller sees to it
 * that no device uses it any more, and that no other alias of it is left shared. */
vestibule_reason vestibule_unshare(struct vestibule_cpu* cpu, uint64_t shared_at,
                                   uint64_t private_at, uint64_t gpa,
                                   const struct vestibule_mapper* mapper);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
