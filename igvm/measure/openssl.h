// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the room's users of OpenSSL share: its objects as owned ones, and keys of the curve P-384 as
// AMD's firmware has them.
#pragma once

#include "igvm/format/format.h"

#include <openssl/evp.h>

#include <memory>

namespace vestibule::igvm {

template <auto free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        free(object);
    }
};

using OwnedKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

/// OpenSSL failing at what it cannot fail at but for want of memory.
void must(bool done);

bool is_p384(const EVP_PKEY* key);

/// Of a key of the curve P-384.
SnpPublicKey public_key_of(const EVP_PKEY* key);

/// None where it is no point of the curve.
OwnedKey p384_key(const SnpPublicKey& from);

} // namespace vestibule::igvm
