"""The two regressions behind the built-in reader's weights: Newton's method with a ridge penalty."""

import math
from collections.abc import Callable, Sequence

Vector = list[float]
Matrix = list[list[float]]
Row = tuple[Sequence[float], bool, float]
"""Values, label, weight."""
Choice = Sequence[tuple[Sequence[float], bool]]
"""The alternatives of one question: values, and whether the alternative is right."""
Derivatives = tuple[float, Vector, Matrix]
"""The objective, its gradient, and a matrix that bounds how fast the gradient falls."""

_STEPS = 25
_CLOSE = 1e-6


def logistic(rows: Sequence[Row], penalty: float) -> Vector:
    """Weights, the bias last, that make the labels most likely. Maximises the weighted log likelihood."""
    size = len(rows[0][0]) + 1

    def derivatives(weights: Vector) -> Derivatives:
        value, gradient, curvature = _ridge(weights, [penalty] * (size - 1) + [0.0])
        for values, label, weight in rows:
            point = [*values, 1.0]
            chance = 1 / (1 + math.exp(-max(-30.0, min(30.0, dot(weights, point)))))
            value += weight * math.log(chance if label else 1 - chance)
            _add(gradient, curvature, point, weight * (label - chance), weight * chance * (1 - chance))
        return value, gradient, curvature

    return _maximised(size, derivatives)


def conditional_logit(choices: Sequence[Choice], penalty: float) -> Vector:
    """Weights that make a right alternative most likely among those of its question (McFadden 1974).

    Expectation and maximisation by turns: where several alternatives are right, each counts as likely as it is.
    """
    answerable = [choice for choice in choices if any(right for _, right in choice)]
    size = len(answerable[0][0][0])

    def derivatives(weights: Vector) -> Derivatives:
        value, gradient, curvature = _ridge(weights, [penalty] * size)
        for choice in answerable:
            chances = softmax([dot(weights, values) for values, _ in choice])
            right = sum(chance for chance, (_, label) in zip(chances, choice, strict=True) if label)
            value += math.log(max(right, 1e-300))
            mean = [0.0] * size
            for chance, (values, label) in zip(chances, choice, strict=True):
                target = chance / right if label else 0.0
                _add(gradient, curvature, values, target - chance, chance)
                mean = [total + chance * part for total, part in zip(mean, values, strict=True)]
            _add(gradient, curvature, mean, 0.0, -1.0)
        return value, gradient, curvature

    return _maximised(size, derivatives)


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def softmax(scores: Sequence[float]) -> Vector:
    top = max(scores)
    odds = [math.exp(score - top) for score in scores]
    total = sum(odds)
    return [odd / total for odd in odds]


def _ridge(weights: Vector, penalties: Vector) -> Derivatives:
    size = len(weights)
    value = -sum(penalty * weight * weight for penalty, weight in zip(penalties, weights, strict=True)) / 2
    gradient = [-penalty * weight for penalty, weight in zip(penalties, weights, strict=True)]
    return value, gradient, [[penalties[i] if i == j else 0.0 for j in range(size)] for i in range(size)]


def _add(gradient: Vector, curvature: Matrix, values: Sequence[float], slope: float, bend: float) -> None:
    for i, value in enumerate(values):
        if value:
            gradient[i] += slope * value
            row, factor = curvature[i], bend * value
            for j, other in enumerate(values):
                row[j] += factor * other


def _maximised(size: int, derivatives: Callable[[Vector], Derivatives]) -> Vector:
    weights = [0.0] * size
    value, gradient, curvature = derivatives(weights)
    for _ in range(_STEPS):
        step = _solved(curvature, gradient)
        while max(abs(change) for change in step) > _CLOSE:
            further = [weight + change for weight, change in zip(weights, step, strict=True)]
            reached = derivatives(further)
            if reached[0] > value:
                break
            step = [change / 2 for change in step]
        else:
            return weights
        weights, (value, gradient, curvature) = further, reached
    return weights


def _solved(matrix: Matrix, right: Vector) -> Vector:
    """Gaussian elimination with pivoting."""
    size = len(right)
    rows = [[*matrix[i], right[i]] for i in range(size)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(rows[i][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        lead = rows[column]
        if abs(lead[column]) < 1e-12:
            continue
        for i in range(size):
            if i != column and rows[i][column]:
                factor = rows[i][column] / lead[column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], lead, strict=True)]
    return [rows[i][size] / rows[i][i] if abs(rows[i][i]) > 1e-12 else 0.0 for i in range(size)]
