//go:build !ovdebug

package crash

const shows = false
