// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starts the application (\EFI\vestibule\vestibule.efi) on firmware whose ExitBootServices refuses:
// -DREFUSALS times, each after a change of the memory map, as event handlers of the firmware's may
// make it (UEFI specification 2.10, section 7.4.6). The change is of -DFRAGMENTS descriptors.
#include "qemu-tests/efi/application.h"

using namespace vestibule;

namespace {

constinit EFI_BOOT_SERVICES* services           = nullptr;
constinit EFI_EXIT_BOOT_SERVICES firmwares_exit = nullptr;
constinit unsigned refusals                     = REFUSALS;

EFI_STATUS EFIAPI refuse_first(EFI_HANDLE image, UINTN key) {
    if (refusals == 0) {
        return firmwares_exit(image, key);
    }
    --refusals;
    for (unsigned n = 0; n < FRAGMENTS; ++n) { // of two types in turn, so that none join
        EFI_PHYSICAL_ADDRESS page = 0;
        (void)services->AllocatePages(AllocateAnyPages,
                                      n % 2 == 0 ? EfiBootServicesData : EfiLoaderData, 1, &page);
    }
    return EFI_INVALID_PARAMETER;
}

} // namespace

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system) {
    services               = system->BootServices;
    EFI_HANDLE application = nullptr;
    EFI_STATUS status      = efi_test::load_application(*services, image, application);
    if (status != EFI_SUCCESS) {
        return status;
    }
    firmwares_exit             = services->ExitBootServices;
    services->ExitBootServices = refuse_first;
    status                     = services->StartImage(application, nullptr, nullptr);
    services->ExitBootServices = firmwares_exit;
    return status;
}
