"""What the embedded vector store keeps."""

from __future__ import annotations

from typing import Any

from django.db import models


class StoredCollection(models.Model):
    """A collection of the embedded vector store, with the counter that tells readers to load it again."""

    name = models.CharField(max_length=120, unique=True)
    dimension = models.PositiveIntegerField()
    version = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class StoredAlias(models.Model):
    """An alias of the embedded vector store."""

    name = models.CharField(max_length=120, unique=True)
    collection = models.ForeignKey(StoredCollection, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.name


class StoredPoint(models.Model):
    """A point of the embedded vector store: float32 bytes, little endian."""

    collection = models.ForeignKey(StoredCollection, on_delete=models.CASCADE, related_name="points")
    point_id = models.UUIDField()
    entry_id = models.BigIntegerField()
    payload: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    vector = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "point_id"], name="one_row_a_point")]
        indexes = [models.Index(fields=["collection", "entry_id"])]

    def __str__(self) -> str:
        return str(self.point_id)
