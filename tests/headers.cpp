// SPDX-License-Identifier: BSD-2-Clause-Patent
// Nothing: the target that tests have their precompiled headers from wants a source.
